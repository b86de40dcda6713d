/** The slot of a request: free once its stream is closed and nothing works on it any more, whichever comes last. */
export class Slot {
  readonly #onFree: () => void
  /** What works on it; its being open is one of those. */
  #works = 1

  constructor(onFree: () => void) {
    this.#onFree = onFree
  }

  /** Keeps it until what is returned is called, once. */
  hold(): () => void {
    if (this.#works === 0) return () => {}
    this.#works += 1
    return () => this.release()
  }

  release(): void {
    this.#works -= 1
    if (this.#works === 0) this.#onFree()
  }
}
