/** The slot of a request. It is free once the stream is closed and its handler is done, whichever comes last. */
export class Slot {
  readonly #onFree: () => void
  /** Reasons to keep the slot; the open stream is the first. */
  #holds = 1

  constructor(onFree: () => void) {
    this.#onFree = onFree
  }

  /** Keeps the slot until the returned function is called. Call it once. */
  hold(): () => void {
    if (this.#holds === 0) return () => {}
    this.#holds += 1
    return () => this.release()
  }

  release(): void {
    this.#holds -= 1
    if (this.#holds === 0) this.#onFree()
  }
}
