/** Something that a connection could give up, and how little its peer does about it. */
export interface Sheddable {
  readonly bytes: number
  /** The peer neither takes nor sends anything. */
  readonly isStalled: boolean
  /** Orders what is alike otherwise: the larger, the sooner it goes. */
  readonly weight: number
  /** Bytes of everybody at the same address. */
  readonly addressBytes: number
  readonly shed: () => void
}

/** A connection for whose peer memory is held. */
export interface Holder {
  /** Adds what could be given up. */
  readonly sheddable: (now: number, add: (item: Sheddable) => void) => void
}

/**
 * What all connections of a listener hold for peers that are slow, or pretend to be: a bound for each of them would be
 * none for all. Above it, what nobody reads goes first, then what is read slowest, each from those at the address for
 * which most is held: who reads steadily loses nothing for what others leave unread.
 */
export class MemoryBudget {
  readonly holders = new Set<Holder>()
  readonly bytesMax: number
  heldBytes = 0
  #isScheduled = false

  constructor(bytesMax: number) {
    this.bytesMax = bytesMax
  }

  charge(bytes: number): void {
    this.heldBytes += bytes
    if (this.heldBytes <= this.bytesMax || this.#isScheduled) return
    this.#isScheduled = true
    // Not at once, since nobody expects a stream to end while it is written to; and not a turn later, when more is held.
    queueMicrotask(() => this.#shedWhenOver())
  }

  release(bytes: number): void {
    this.heldBytes -= bytes
  }

  #shedWhenOver(): void {
    this.#isScheduled = false
    // More than what is over: else everything would be looked at again for the next few bytes.
    if (this.heldBytes > this.bytesMax) this.shedLargest(0.75 * this.bytesMax)
  }

  /** Sheds until no more than this is held. */
  shedLargest(bytesMax: number): void {
    const now = performance.now()
    const items: Array<Sheddable> = []
    for (const holder of this.holders) holder.sheddable(now, (item) => items.push(item))
    items.sort((a, b) => +b.isStalled - +a.isStalled || b.addressBytes - a.addressBytes || b.weight - a.weight)
    for (const { shed } of items) {
      if (this.heldBytes <= bytesMax) return
      shed()
    }
  }
}
