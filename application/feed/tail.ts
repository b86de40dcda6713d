import { type StreamPosition, shortId } from "../../domain/cursor.ts"
import type { Event } from "../../domain/event.ts"
import { jsonText } from "../../domain/json.ts"
import { tailBytesMax, tailEventsMax } from "../limits.ts"

/** The memory of all tails. Above `tailBytesMax`, the tails that were appended to least recently drop events first. */
export class TailBudget {
  bytes = 0
  /** Tails that hold events, the most recently appended last. */
  readonly #tails = new Set<Tail>()

  /** Counts one more event, and drops events of other tails if there are too many bytes. */
  charge(tail: Tail, bytes: number): void {
    this.bytes += bytes
    this.#tails.delete(tail)
    this.#tails.add(tail)
    while (this.bytes > tailBytesMax) {
      const [leastRecent] = this.#tails
      leastRecent!.releaseHalf()
    }
  }

  /** The tail has become empty. */
  forget(tail: Tail): void {
    this.#tails.delete(tail)
  }
}

/**
 * The last events of one domain's log, in memory, for live streams. It has no gaps: an event is appended only at the
 * next position. Streams read older events from the log.
 */
export class Tail {
  readonly domain: string
  readonly incarnation: string
  /** The position of the last event that was appended, or where the tail began. */
  head: bigint
  /** Id of the event there; "" at position 0. */
  headId: string
  /** The highest position that the channel or the store has reported; above `head` while events are missing. */
  knownHead: bigint
  /** Id of the event at `start`; "" at position 0. */
  #startId: string
  #events: Array<Event> = []
  #isClosed = false
  readonly #budget: TailBudget

  constructor(domain: string, incarnation: string, head: bigint, headId: string, budget: TailBudget) {
    this.domain = domain
    this.incarnation = incarnation
    this.head = head
    this.headId = headId
    this.#startId = headId
    this.knownHead = head
    this.#budget = budget
  }

  /** The position before the first event in memory. */
  get start(): bigint {
    return this.head - BigInt(this.#events.length)
  }

  /** Appends the event at the next position. The caller checks that it is the next. */
  append(event: Event): void {
    this.#events.push(event)
    this.head = event.position
    this.headId = event.id
    if (this.knownHead < this.head) this.knownHead = this.head
    if (this.#events.length > tailEventsMax) this.releaseHalf()
    this.#budget.charge(this, sizeOf(event))
  }

  /** Drops the older half: dropping one by one would move the whole array each time. */
  releaseHalf(): void {
    this.#release(Math.ceil(this.#events.length / 2))
  }

  /** The id of the event at a position, if the tail still holds it. */
  idAt(position: bigint): string | undefined {
    if (position < this.start || position > this.head) return undefined
    return position === this.start ? this.#startId : this.#events[Number(position - this.start) - 1]!.id
  }

  /** Whether the tail can belong to the log in which a stream has this position. */
  agreesWith({ incarnation, position, eventId }: StreamPosition): boolean {
    const id = this.idAt(position)
    return incarnation === this.incarnation && (id === undefined || shortId(id) === eventId)
  }

  /** Up to `limit` events after a position, or undefined if the tail has dropped some of them. */
  after(position: bigint, limit: number): ReadonlyArray<Event> | undefined {
    if (position < this.start) return undefined
    const from = Number(position - this.start)
    return this.#events.slice(from, from + limit)
  }

  /** Whether no stream covers the domain any more, or another tail has replaced this one. */
  get isClosed(): boolean {
    return this.#isClosed
  }

  /** Drops all events. */
  close(): void {
    this.#isClosed = true
    this.#release(this.#events.length)
  }

  #release(count: number): void {
    for (const event of this.#events.splice(0, count)) {
      this.#budget.bytes -= sizeOf(event)
      this.#startId = event.id
    }
    if (this.#events.length === 0) this.#budget.forget(this)
  }
}

// Memory of an event besides its names, values and claims.
const eventOverheadBytes = 600

const sizeOf = ({ entity, claims }: Event): number =>
  eventOverheadBytes + entity.type.length + entity.key.length + jsonText(entity.values).length + jsonText(claims).length
