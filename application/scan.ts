import { Clock, Effect } from "effect"
import type { Entity } from "../domain/entity.ts"
import type { Event } from "../domain/event.ts"
import { jsonText } from "../domain/json.ts"
import { compareKeys, evaluate, type SortKey, sortKey } from "../domain/query.ts"
import type { TooLarge } from "../domain/rejection.ts"
import type { Unavailable } from "./failure.ts"
import { pageBytesMax, scanRowsMax, scanSliceMs, sortTextCharsMax } from "./limits.ts"
import { pageOf, scannedTooMuch } from "./page.ts"
import type { Search } from "./ports/EventStore.ts"

/** The rows that a store finds for a search: all that pass, and others too. */
export interface Candidates<Row, Subject> {
  /** Some more of them, by key or position, in the direction that the search has; none at the end. */
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
): Effect.Effect<ReadonlyArray<Subject>, TooLarge | Unavailable> =>
  search.order.at === undefined ? inTheirOrder(search, candidates) : sorted(search, candidates)

const inTheirOrder = Effect.fnUntraced(function* <Row, Subject extends Entity | Event>(
  { query, limit, offset }: Search,
  candidates: Candidates<Row, Subject>
) {
  const page: Array<Subject> = []
  let passed = 0
  let bytes = 0
  yield* each(candidates, (subject) => {
    if (!evaluate(query, subject) || ++passed <= offset) return true
    page.push(subject)
    bytes += bytesOf(subject)
    // One that is too large already is not completed to be refused.
    return page.length < limit && bytes <= pageBytesMax
  })
  return yield* served(pageOf(page, bytesOf))
})

const sorted = Effect.fnUntraced(function* <Row, Subject extends Entity | Event>(
  { query, order, limit, offset }: Search,
  candidates: Candidates<Row, Subject>
) {
  const hits: Array<SortKey & { readonly bytes: number }> = []
  let chars = 0
  yield* each(candidates, (subject) => {
    if (!evaluate(query, subject)) return true
    const key = sortKey(order, subject)
    if (typeof key.value === "string") chars += key.value.length
    hits.push({ ...key, bytes: bytesOf(subject) })
    return chars <= sortTextCharsMax
  })
  if (chars > sortTextCharsMax) return yield* Effect.fail(scannedTooMuch)
  const wanted = hits.sort(compareKeys(order)).slice(offset, offset + limit)
  const ties = (yield* served(pageOf(wanted, ({ bytes }) => bytes))).map(({ tie }) => tie)
  const rows = ties.length === 0 ? [] : yield* candidates.again(ties)
  const now = new Map(rows.map(candidates.subjectOf).map((subject) => [sortKey(order, subject).tie, subject]))
  const page = ties.map((tie) => now.get(tie)).filter((subject) => subject !== undefined)
  return yield* served(pageOf(page, bytesOf))
})

/** Gives the subjects one by one until no more are wanted. */
const each = Effect.fnUntraced(function* <Row, Subject>(
  { next, subjectOf }: Candidates<Row, Subject>,
  wantsMore: (subject: Subject) => boolean
) {
  const clock = yield* Clock.Clock
  const sliceOver = () => clock.monotonicTimeNanosUnsafe() + BigInt(scanSliceMs * 1e6)
  let looked = 0
  for (let rows = yield* next; rows.length > 0; rows = yield* next) {
    let until = sliceOver()
    for (const row of rows) {
      if (++looked > scanRowsMax) return yield* Effect.fail(scannedTooMuch)
      if (!wantsMore(subjectOf(row))) return
      if (clock.monotonicTimeNanosUnsafe() < until) continue
      yield* Effect.yieldNow
      until = sliceOver()
    }
  }
})

const served = <A>(page: ReadonlyArray<A> | TooLarge): Effect.Effect<ReadonlyArray<A>, TooLarge> =>
  "_tag" in page ? Effect.fail(page) : Effect.succeed(page)

const bytesOf = (subject: Entity | Event): number =>
  "entity" in subject
    ? jsonText(subject.entity.values).length + jsonText(subject.claims).length
    : jsonText(subject.values).length
