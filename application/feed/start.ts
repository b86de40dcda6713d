import { Effect } from "effect"
import type { Head } from "../../domain/batch.ts"
import { type Cursor, type Mark, type Selection, shortId } from "../../domain/cursor.ts"
import { matches } from "../../domain/glob.ts"
import { invalid, type OutOfRange, type Rejection } from "../../domain/rejection.ts"
import type { Unavailable } from "../failure.ts"
import { cursorBytesMax } from "../limits.ts"
import type { EventStore } from "../ports/EventStore.ts"
import { type Globs, tooWide } from "./reader.ts"

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

/** A domain's head when the stream was opened, and the mark from which it is read. */
export interface Start {
  readonly head: Head
  readonly mark: Mark
}

// The shortest mark takes 14 bytes (name 2, incarnation 8, position 1 and none for an id, in base64): more domains than
// this cannot fit into a cursor, whatever they are called.
const domainsMax = Math.ceil(cursorBytesMax / 14)

const gone = (domain: string): OutOfRange => ({
  _tag: "OutOfRange",
  message: `the cursor's place in domain ${domain} is not in its log: the log was rewound`
})

/** The time before which events are not for a stream: one that was given to it, or to the stream that it continues. */
export const sinceOf = ({ start }: StreamRequest): bigint | undefined =>
  start._tag === "Since" ? start.time : start._tag === "After" ? start.cursor.since : undefined

type Store = EventStore["Service"]

/** The marks from which a new stream reads, by domain: one for each covered domain that has a log. */
export const marksOf = Effect.fnUntraced(function* (
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
  if (heads.length >= domainsMax) return yield* Effect.fail(tooWide)
  const starts = new Map<string, Start>()
  for (const head of heads) {
    starts.set(head.domain, { head, mark: yield* markIn(store, head, start) })
  }
  if (start._tag === "After") {
    for (const domain of start.cursor.marks.keys()) {
      if (!starts.has(domain) && matches(globs.domain, domain)) return yield* Effect.fail(gone(domain))
    }
  }
  return starts
})

const markIn = (
  store: Store,
  head: Head,
  start: StreamRequest["start"]
): Effect.Effect<Mark, Rejection | Unavailable> => {
  const { incarnation } = head
  const beginning: Mark = { incarnation, position: 0n, eventId: "" }
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
      const mark = start.cursor.marks.get(head.domain)
      // Not listed: the domain is newer than the cursor.
      return mark === undefined ? Effect.succeed(beginning) : checked(store, head, mark)
    }
  }
}

/** The mark itself, once the log is known to hold what it names. */
const checked = Effect.fnUntraced(function* (store: Store, head: Head, mark: Mark) {
  const isGone = mark.incarnation !== head.incarnation || mark.position > head.position
  if (isGone) return yield* Effect.fail(gone(head.domain))
  if (mark.position === 0n) return mark
  const [event] = yield* store.read(head.domain, mark.position - 1n, 1)
  if (event === undefined || shortId(event.id) !== mark.eventId) return yield* Effect.fail(gone(head.domain))
  return mark
})

/** The last event before a time, by bisection: time rises with the position. */
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
