/** One who holds memory for a peer. */
export interface Holder {
  readonly heldBytes: number
  /** Lets go of what it holds, the largest first, until that is enough. */
  readonly letGo: (isEnough: () => boolean) => void
}

/**
 * What all connections of a listener hold for peers that are slow, or pretend to be: a bound for each of them would be
 * none for all. Over the limit, those who hold most let go.
 */
export class Holdings {
  readonly holders = new Set<Holder>()
  readonly #bytesMax: number
  #bytes = 0
  #isScheduled = false

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax
  }

  changed(bytes: number): void {
    this.#bytes += bytes
    if (this.#bytes <= this.#bytesMax || this.#isScheduled) return
    this.#isScheduled = true
    // Later: nobody expects a stream to end in the midst of being written to.
    setImmediate(() => this.#relieve())
  }

  #relieve(): void {
    this.#isScheduled = false
    if (this.#bytes <= this.#bytesMax) return
    // More than what is over: else all of them would be looked at again for the next few bytes.
    const isEnough = () => this.#bytes <= 0.75 * this.#bytesMax
    for (const holder of [...this.holders].sort((a, b) => b.heldBytes - a.heldBytes)) {
      if (isEnough()) return
      holder.letGo(isEnough)
    }
  }
}
