/** Something that a connection can give up to free memory. */
export interface Sheddable {
  readonly bytes: number
  /** The peer neither reads nor sends anything. */
  readonly isStalled: boolean
  /** Order among equals: the larger, the sooner it is shed. */
  readonly weight: number
  /** Bytes held for all peers at the same address. */
  readonly addressBytes: number
  readonly shed: () => void
}

/** A connection that holds memory for its peer. */
export interface Holder {
  /** Adds everything that it can give up. */
  readonly sheddable: (now: number, add: (item: Sheddable) => void) => void
}

/**
 * Bounds the memory that all connections of a listener together hold for slow peers; a bound per connection would not
 * bound their sum. Above it, stalled items are shed first, then the slowest, each from the address that holds most. A
 * steady reader loses nothing because of data that others leave unread.
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
    // Not at once: no caller expects a stream to end during its own write. Not a turn later: more would be held by then.
    queueMicrotask(() => this.#shedWhenOver())
  }

  release(bytes: number): void {
    this.heldBytes -= bytes
  }

  #shedWhenOver(): void {
    this.#isScheduled = false
    // More than the excess, or the next few bytes would start another search.
    if (this.heldBytes > this.bytesMax) this.shedLargest(0.75 * this.bytesMax)
  }

  /** Sheds until at most `bytesMax` are held. */
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
