import { Effect } from "effect"
import type { Head } from "../../domain/batch.ts"
import { type Cursor, type Selection, type StreamPosition, shortId } from "../../domain/cursor.ts"
import { matches } from "../../domain/glob.ts"
import { invalid, type OutOfRange, type Rejection } from "../../domain/rejection.ts"
import type { Unavailable } from "../failure.ts"
import { cursorBytesMax } from "../limits.ts"
import type { EventStore } from "../ports/EventStore.ts"
import { type Globs, tooManyDomains } from "./reader.ts"

/** What a stream covers and where it starts. */
export interface StreamRequest {
  readonly selection: Selection
  /** The same, ready to match. */
  readonly globs: Globs
  readonly start:
    | { readonly _tag: "Now" }
    | { readonly _tag: "Beginning" }
    | { readonly _tag: "Since"; readonly time: bigint }
    | { readonly _tag: "After"; readonly cursor: Cursor }
}

/** A domain's head when the stream was opened, and the position after which the stream reads. */
export interface Start {
  readonly head: Head
  readonly position: StreamPosition
}

// The shortest encoded position takes 14 bytes (name 2, incarnation 8, position 1, no id; in base64). A cursor cannot hold
// more domains than this.
const domainsMax = Math.ceil(cursorBytesMax / 14)

const positionLost = (domain: string): OutOfRange => ({
  _tag: "OutOfRange",
  message: `the cursor's position in domain ${domain} is not in its log: the log was rewound`
})

/** The time before which a stream skips events: from its own request, or from the stream that its cursor continues. */
export const sinceOf = ({ start }: StreamRequest): bigint | undefined =>
  start._tag === "Since" ? start.time : start._tag === "After" ? start.cursor.since : undefined

type Store = EventStore["Service"]

/** Where a new stream starts, by domain: one entry for each covered domain that has a log. */
export const startsOf = Effect.fnUntraced(function* (
  store: Store,
  { selection, globs, start }: StreamRequest
): Effect.fn.Return<Map<string, Start>, Rejection | Unavailable> {
  if (start._tag === "After") {
    const { domain, type, key } = start.cursor.selection
    if (domain !== selection.domain || type !== selection.type || key !== selection.key) {
      return yield* Effect.fail(
        invalid({ field: "after", rule: "must be a cursor of a stream with the same domain, type and key" })
      )
    }
  }
  const heads = yield* store.heads(globs.domain, domainsMax)
  if (heads.length >= domainsMax) return yield* Effect.fail(tooManyDomains)
  const starts = new Map<string, Start>()
  for (const head of heads) {
    starts.set(head.domain, { head, position: yield* startIn(store, head, start) })
  }
  if (start._tag === "After") {
    for (const domain of start.cursor.positions.keys()) {
      if (!starts.has(domain) && matches(globs.domain, domain)) return yield* Effect.fail(positionLost(domain))
    }
  }
  return starts
})

const startIn = (
  store: Store,
  head: Head,
  start: StreamRequest["start"]
): Effect.Effect<StreamPosition, Rejection | Unavailable> => {
  const { incarnation } = head
  const beginning: StreamPosition = { incarnation, position: 0n, eventId: "" }
  switch (start._tag) {
    case "Now":
      return Effect.succeed({ incarnation, position: head.position, eventId: shortId(head.eventId) })
    case "Beginning":
      return Effect.succeed(beginning)
    case "Since":
      return Effect.map(lastBefore(store, head, start.time), (event) =>
        event === undefined ? beginning : { incarnation, position: event.position, eventId: shortId(event.id) }
      )
    case "After": {
      const position = start.cursor.positions.get(head.domain)
      // A domain that the cursor does not list is newer than the cursor.
      return position === undefined ? Effect.succeed(beginning) : checkPosition(store, head, position)
    }
  }
}

/** Returns the position if the log still has its event; fails otherwise. */
const checkPosition = Effect.fnUntraced(function* (store: Store, head: Head, at: StreamPosition) {
  const isLost = at.incarnation !== head.incarnation || at.position > head.position
  if (isLost) return yield* Effect.fail(positionLost(head.domain))
  if (at.position === 0n) return at
  const [event] = yield* store.read(head.domain, at.position - 1n, 1)
  if (event === undefined || shortId(event.id) !== at.eventId) return yield* Effect.fail(positionLost(head.domain))
  return at
})

/** The last event before a time, by binary search: times rise with positions. */
const lastBefore = Effect.fnUntraced(function* (store: Store, head: Head, time: bigint) {
  let low = 0n
  let high = head.position
  let found: { readonly position: bigint; readonly id: string } | undefined
  while (low < high) {
    const middle = (low + high + 1n) / 2n
    const [event] = yield* store.read(head.domain, middle - 1n, 1)
    if (event !== undefined && event.time < time) {
      found = event
      low = middle
    } else {
      high = middle - 1n
    }
  }
  return found
})
