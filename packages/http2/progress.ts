/** How fast a peer takes what is held for it, or sends what it began. Sampled now and then. */
export class Progress {
  #movedAt: number
  /** Of the latest samples, each half as much as the next. */
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

  /** What its peer takes weighs by how long that goes on; what does not move, the more the longer. */
  weighTaking(bytes: number, now: number): Weight {
    return this.#recentBytes < 1
      ? this.weighSending(bytes, now)
      : { isStalled: false, weight: bytes / this.#recentBytes }
  }

  /** How long a peer goes on to send is not known. */
  weighSending(bytes: number, now: number): Weight {
    const stalledMs = this.#bytes > 0 ? 0 : now - this.#movedAt
    return { isStalled: stalledMs >= stalledMsMin, weight: (bytes * (1_000 + stalledMs)) / 1_000 }
  }
}

interface Weight {
  readonly isStalled: boolean
  readonly weight: number
}

/** For so long nothing has moved of what is stalled, rather than new. */
const stalledMsMin = 1_000
