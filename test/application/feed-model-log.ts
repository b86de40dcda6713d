// The log of the one domain of a model, what becomes of it, and what a trace says of it.

import type { Announcement } from "../../application/ports/Channel.ts"
import type { Head } from "../../domain/batch.ts"
import { type StreamPosition, shortId } from "../../domain/cursor.ts"
import { type Event, methods } from "../../domain/event.ts"

export const domain = "d"

/** `cut`: the log loses its end. `reborn`: the same events under another identity. `swap`: another log, empty. */
export type LogChange = "commit" | "cut" | "reborn" | "swap"

interface State {
  readonly incarnation: string
  readonly events: ReadonlyArray<Event>
}

const incarnationOf = (number: number): string => `${number}`.padStart(16, "0")

export class ModelLog {
  /** Another object after each change. */
  state: State = { incarnation: incarnationOf(1), events: [] }
  /** The number of commits so far, over all logs. */
  commits = 0
  /** The last change. */
  changed: LogChange | undefined
  #incarnations = 1
  readonly #previous = new Map<string, string>()

  /** What is announced of the change. */
  change(change: LogChange): Announcement | undefined {
    this.changed = change
    const { incarnation, events } = this.state
    if (change === "commit") return this.#commit()
    if (change === "cut") this.state = { incarnation, events: events.slice(0, -1) }
    else this.state = { incarnation: this.#newIncarnation(), events: change === "reborn" ? events : [] }
    return undefined
  }

  #newIncarnation(): string {
    this.#incarnations += 1
    return incarnationOf(this.#incarnations)
  }

  #commit(): Announcement {
    const { incarnation, events } = this.state
    this.commits += 1
    const position = BigInt(events.length) + 1n
    const event: Event = {
      id: `00000000-0000-4000-8000-0000${`${this.commits}`.padStart(8, "0")}`,
      position,
      time: position,
      method: methods.set,
      entity: { domain, type: "t", key: `${this.commits}`, values: {}, version: 1n },
      claims: {},
      erased: false
    }
    const previousId = events.at(-1)?.id ?? ""
    this.#previous.set(event.id, previousId)
    this.state = { incarnation, events: [...events, event] }
    return { incarnation, event, previousId }
  }

  get end(): bigint {
    return BigInt(this.state.events.length)
  }

  get head(): Head | undefined {
    const { incarnation, events } = this.state
    const last = events.at(-1)
    return last && { domain, incarnation, position: last.position, time: last.time, eventId: last.id }
  }

  after(position: bigint): ReadonlyArray<Event> {
    return this.state.events.filter((event) => event.position > position)
  }

  /** The short id of the event that was committed right before this one; "" before the first. */
  previous({ id }: Event): string {
    return shortId(this.#previous.get(id)!)
  }

  /** Whether what a stream has seen last is in the log. */
  holds(at: StreamPosition | undefined): boolean {
    if (at === undefined) return true
    const { incarnation, events } = this.state
    if (events.length === 0 || incarnation !== at.incarnation) return false
    return at.position === 0n || shortId(events[Number(at.position) - 1]?.id ?? "") === at.eventId
  }

  toString(): string {
    return `log ${Number(this.state.incarnation)} with ${eventsText(this.state.events)}`
  }
}

/** "#3@2" is the third event that was committed, at position 2. */
const eventText = (shortIdOrId: string, position: bigint): string => `#${Number(shortId(shortIdOrId))}@${position}`

export const eventsText = (events: ReadonlyArray<Event>): string =>
  events.length === 0 ? "no event" : events.map(({ id, position }) => eventText(id, position)).join(" ")

export const headsText = (heads: ReadonlyArray<Head>): string =>
  heads.map((head) => `${eventText(head.eventId, head.position)} of log ${Number(head.incarnation)}`).join(" ") ||
  "no head"

export const streamPositionText = (at: StreamPosition | undefined): string => {
  if (at === undefined) return "nothing"
  const place = at.position === 0n ? "the beginning" : eventText(at.eventId, at.position)
  return `${place} of log ${Number(at.incarnation)}`
}
