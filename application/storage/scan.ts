import { Clock, Effect } from "effect"
import type { Entity } from "../../domain/entity.ts"
import type { Event } from "../../domain/event.ts"
import { jsonText } from "../../domain/json.ts"
import { compareKeys, evaluate, isBehind, type SortKey, sortKey } from "../../domain/query.ts"
import type { TooLarge } from "../../domain/rejection.ts"
import type { Unavailable } from "../failure.ts"
import { pageBytesMax, scanRowsMax, scanSliceMs, sortTextCharsMax } from "../limits.ts"
import type { Hit, Page, Search } from "../ports/EventStore.ts"
import { hitOf, pageOf, pageTooLarge, scannedTooMuch } from "./page.ts"

/** The rows that a store finds for a search: all that pass, and others too. */
export interface Candidates<Row, Subject> {
  /**
   * Some more of them, by key or position, in the direction that the search has; none at the end. A search in that order
   * has none at or before `after`.
   */
  readonly next: Effect.Effect<ReadonlyArray<Row>, TooLarge | Unavailable>
  readonly subjectOf: (row: Row) => Subject
  /** The rows with these keys or positions as they are now, in any order, without those that went away. */
  readonly again: (ties: ReadonlyArray<SortKey["tie"]>) => Effect.Effect<ReadonlyArray<Row>, Unavailable>
}

/**
 * A search where the store cannot do it all: looks at row after row and finds what the domain says, while others are
 * served. Of what passes it keeps no more than a page, or what it takes to sort.
 */
export const scan = <Row, Subject extends Entity | Event>(
  search: Search,
  candidates: Candidates<Row, Subject>
): Effect.Effect<Page<Subject>, TooLarge | Unavailable> =>
  search.order.at === undefined ? inTheirOrder(search, candidates) : sorted(search, candidates)

const inTheirOrder = Effect.fnUntraced(function* <Row, Subject extends Entity | Event>(
  search: Search,
  candidates: Candidates<Row, Subject>
) {
  const { query, order, limit, offset, partial = false } = search
  const hits: Array<Hit<Subject>> = []
  let last: Subject | undefined
  let passed = 0
  let bytes = 0
  const isFull = () => hits.length === limit
  const ending = yield* each(candidates, isFull, (subject) => {
    if (evaluate(query, subject) && ++passed > offset) {
      bytes += bytesOf(subject)
      // One that is too large already is not completed to be refused.
      if (bytes > pageBytesMax) return false
      hits.push(hitOf(order, subject))
    }
    last = subject
    return true
  })
  if (ending === "end") return { hits, last: undefined }
  if (ending === "too many" && !partial) return yield* Effect.fail(scannedTooMuch(search))
  if (bytes > pageBytesMax && (!partial || hits.length === 0)) return yield* Effect.fail(pageTooLarge)
  return { hits, last: hitOf(order, last!) }
})

const sorted = Effect.fnUntraced(function* <Row, Subject extends Entity | Event>(
  search: Search,
  candidates: Candidates<Row, Subject>
) {
  const { query, order, limit, offset, after, partial = false } = search
  const found: Array<SortKey & { readonly bytes: number }> = []
  let chars = 0
  const ending = yield* each(
    candidates,
    () => false,
    (subject) => {
      if (!evaluate(query, subject)) return true
      const key = sortKey(order, subject)
      if (after !== undefined && !isBehind(order, key, after)) return true
      if (typeof key.value === "string") chars += key.value.length
      found.push({ ...key, bytes: bytesOf(subject) })
      return chars <= sortTextCharsMax
    }
  )
  if (ending !== "end") return yield* Effect.fail(scannedTooMuch(search))
  found.sort(compareKeys(order))
  for (let from = offset; ; ) {
    const wanted = yield* served(pageOf(found.slice(from, from + limit), ({ bytes }) => bytes, partial))
    const rows = wanted.length === 0 ? [] : yield* candidates.again(wanted.map(({ tie }) => tie))
    const now = new Map(rows.map(candidates.subjectOf).map((subject) => [sortKey(order, subject).tie, subject]))
    const there = wanted.flatMap(({ value, tie }): ReadonlyArray<Hit<Subject>> => {
      const item = now.get(tie)
      return item === undefined ? [] : [{ item, key: { value, tie } }]
    })
    const hits = yield* served(pageOf(there, ({ item }) => bytesOf(item), partial))
    from += wanted.length
    const isEnd = from >= found.length && hits.length === there.length
    // A page of what all went away meanwhile says nothing of where the next one begins.
    if (isEnd || hits.length > 0) return { hits, last: isEnd ? undefined : hits.at(-1) }
  }
})

/** Why no more rows were looked at. */
type Ending = "end" | "full" | "too many"

/** Looks at the subjects one by one until there is one more than are wanted. */
const each = Effect.fnUntraced(function* <Row, Subject>(
  { next, subjectOf }: Candidates<Row, Subject>,
  isFull: () => boolean,
  look: (subject: Subject) => boolean
): Effect.fn.Return<Ending, TooLarge | Unavailable> {
  const clock = yield* Clock.Clock
  const sliceOver = () => clock.monotonicTimeNanosUnsafe() + BigInt(scanSliceMs * 1e6)
  let looked = 0
  for (let rows = yield* next; rows.length > 0; rows = yield* next) {
    let until = sliceOver()
    for (const row of rows) {
      if (isFull()) return "full"
      if (++looked > scanRowsMax) return "too many"
      if (!look(subjectOf(row))) return "full"
      if (clock.monotonicTimeNanosUnsafe() < until) continue
      yield* Effect.yieldNow
      until = sliceOver()
    }
  }
  return "end"
})

const served = <A>(page: ReadonlyArray<A> | TooLarge): Effect.Effect<ReadonlyArray<A>, TooLarge> =>
  "_tag" in page ? Effect.fail(page) : Effect.succeed(page)

export const bytesOf = (subject: Entity | Event): number =>
  "entity" in subject
    ? jsonText(subject.entity.values).length + jsonText(subject.claims).length
    : jsonText(subject.values).length
