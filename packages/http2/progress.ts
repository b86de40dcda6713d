/** Measures how fast a peer reads its answers, or sends its request. Call `sample` at regular intervals. */
export class Progress {
  #movedAt: number
  /** Moving average over the latest samples; each counts half as much as the one after it. */
  #recentBytes = 0
  #bytes = 0

  constructor(now: number) {
    this.#movedAt = now
  }

  moved(bytes: number): void {
    this.#bytes += bytes
  }

  sample(now: number): void {
    if (this.#bytes > 0) this.#movedAt = now
    this.#recentBytes = (this.#recentBytes + this.#bytes) / 2
    this.#bytes = 0
  }

  /** Weight of unread bytes: the time until they are read at the present speed; for a stalled peer, as `weighSending`. */
  weighTaking(bytes: number, now: number): Weight {
    return this.#recentBytes < 1
      ? this.weighSending(bytes, now)
      : { isStalled: false, weight: bytes / this.#recentBytes }
  }

  /** Weight of an incomplete request: its bytes, and more the longer nothing has moved. */
  weighSending(bytes: number, now: number): Weight {
    const stalledMs = this.#bytes > 0 ? 0 : now - this.#movedAt
    return { isStalled: stalledMs >= stalledMsMin, weight: (bytes * (1_000 + stalledMs)) / 1_000 }
  }
}

interface Weight {
  readonly isStalled: boolean
  readonly weight: number
}

/** Milliseconds without progress after which a peer counts as stalled rather than new. */
const stalledMsMin = 1_000
