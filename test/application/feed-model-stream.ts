// A stream of a model: what it has brought so far must be the events of one log, one after the other.

import type { StreamPosition } from "../../domain/cursor.ts"
import type { Event } from "../../domain/event.ts"
import { eventsText, type ModelLog, streamPositionText } from "./feed-model-log.ts"

export const check = (isTrue: boolean, expected: string, came: () => string): void => {
  if (!isTrue) throw new Error(`expected: ${expected}\ncame:     ${came()}`)
}

export class ModelStream {
  readonly name: string
  seen: StreamPosition | undefined
  end: { readonly _tag: string } | undefined
  /** Makes one that is idle take what there is. */
  begin: () => void = () => {}
  readonly #log: ModelLog

  constructor(name: string, log: ModelLog) {
    this.name = name
    this.#log = log
  }

  /** The stream brings an event, and a cursor that stands there. */
  take(event: Event, position: StreamPosition | undefined): void {
    const { name, seen } = this
    const previous = this.#log.previous(event)
    const isNext = event.position === (seen?.position ?? 0n) + 1n && previous === (seen?.eventId ?? "")
    check(isNext, `the event right behind ${streamPositionText(seen)} for ${name}`, () => {
      return `${eventsText([event])}, which was committed behind ${previous === "" ? "none" : `#${Number(previous)}`}`
    })
    const isSameLog = position?.incarnation === (seen?.incarnation ?? position?.incarnation)
    check(isSameLog, `a cursor in the log that ${name} reads, behind ${streamPositionText(seen)}`, () =>
      streamPositionText(position)
    )
    this.seen = position
  }

  finish(end: { readonly _tag: string }): void {
    this.end = end
    const isFalse = end._tag === "LogRewound" && this.#log.holds(this.seen)
    const expected = `${this.name} goes on, since ${this.#log} holds ${streamPositionText(this.seen)}`
    check(!isFalse, expected, () => "it ended as rewound")
  }

  /** What must hold when nothing more is to come. */
  compare(after: string): void {
    if (this.end !== undefined) return
    const came = () => `it stands at ${streamPositionText(this.seen)}`
    check(this.#log.holds(this.seen), `${this.name} ends: there is ${this.#log}, ${after}`, came)
    const isAll = (this.seen?.position ?? 0n) === this.#log.end
    check(isAll, `${this.name} has all of ${this.#log}, ${after}`, came)
  }
}
