import { type Mark, shortId } from "../../domain/cursor.ts"
import type { Event } from "../../domain/event.ts"
import { jsonText } from "../../domain/json.ts"
import { tailBytesMax, tailEventsMax } from "../limits.ts"

/** What all tails of a feed hold together. Above `tailBytesMax`, those that have been quiet for longest let go first. */
export class TailBudget {
  bytes = 0
  /** Tails that hold events, that to which one was appended last at the end. */
  readonly #tails = new Set<Tail>()

  /** The tail holds one event more. */
  charge(tail: Tail, bytes: number): void {
    this.bytes += bytes
    this.#tails.delete(tail)
    this.#tails.add(tail)
    while (this.bytes > tailBytesMax) {
      const [quietest] = this.#tails
      quietest!.releaseHalf()
    }
  }

  /** The tail holds no event any more. */
  forget(tail: Tail): void {
    this.#tails.delete(tail)
  }
}

/**
 * The end of one domain's log, in memory, for the streams that read along. Always without a gap: an event is taken
 * only right behind the last. What it lets go of at its old end is read from the log.
 */
export class Tail {
  readonly domain: string
  readonly incarnation: string
  /** The last position that the tail has seen. */
  head: bigint
  /** Id of the event there; "" at position 0. */
  headId: string
  /** The furthest position that anyone has told of; beyond `head` while events are missing. */
  known: bigint
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
    this.known = head
    this.#budget = budget
  }

  /** The position right before the first event that is still here. */
  get start(): bigint {
    return this.head - BigInt(this.#events.length)
  }

  /** Takes the next event; any other must not be given. */
  append(event: Event): void {
    this.#events.push(event)
    this.head = event.position
    this.headId = event.id
    if (this.known < this.head) this.known = this.head
    if (this.#events.length > tailEventsMax) this.releaseHalf()
    this.#budget.charge(this, sizeOf(event))
  }

  /** Lets go of the older half: one by one would move the whole array each time. */
  releaseHalf(): void {
    this.#release(Math.ceil(this.#events.length / 2))
  }

  /** The id of the event at a position, if the tail remembers it. */
  idAt(position: bigint): string | undefined {
    if (position < this.start || position > this.head) return undefined
    return position === this.start ? this.#startId : this.#events[Number(position - this.start) - 1]!.id
  }

  /** Whether the tail may belong to the log in which a stream has read up to this mark. */
  agreesWith({ incarnation, position, eventId }: Mark): boolean {
    const id = this.idAt(position)
    return incarnation === this.incarnation && (id === undefined || shortId(id) === eventId)
  }

  /** Up to `limit` events after a position, or undefined if some of them have been let go. */
  after(position: bigint, limit: number): ReadonlyArray<Event> | undefined {
    if (position < this.start) return undefined
    const from = Number(position - this.start)
    return this.#events.slice(from, from + limit)
  }

  /** No stream covers the domain any more, or another tail has taken the place of this one. */
  get isClosed(): boolean {
    return this.#isClosed
  }

  /** Lets go of everything. */
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

// What an event takes in memory beside its names, values and claims.
const eventOverheadBytes = 600

const sizeOf = ({ entity, claims }: Event): number =>
  eventOverheadBytes + entity.type.length + entity.key.length + jsonText(entity.values).length + jsonText(claims).length
