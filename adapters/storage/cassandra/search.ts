import { Effect } from "effect"
import { storeUnavailable, type Unavailable } from "../../../application/failure.ts"
import { logPageBytesMax, pageItemsMax } from "../../../application/limits.ts"
import type { EventSearch, Page, Search } from "../../../application/ports/EventStore.ts"
import { anyTerm } from "../../../application/storage/index-terms.ts"
import { emptyPage, scannedTooMuch } from "../../../application/storage/page.ts"
import { keyRangeOf, positionRangeOf } from "../../../application/storage/range.ts"
import { scan } from "../../../application/storage/scan.ts"
import type { Head } from "../../../domain/batch.ts"
import type { Entity, State } from "../../../domain/entity.ts"
import type { Event } from "../../../domain/event.ts"
import { compareText } from "../../../domain/query.ts"
import type { TooLarge } from "../../../domain/rejection.ts"
import type { Open } from "./connection.ts"
import { attempt, isTrouble } from "./errors.ts"
import { eventsAt, type Listed, listed, positionsWith, typeList } from "./events.ts"
import { eventTermsFor, type Terms, termsFor } from "./filter.ts"
import { firstOf, merged, TooMany } from "./ordered.ts"
import { bucketOf, shardOf, shards, stateOf } from "./rows.ts"

type Found<Subject> = Effect.Effect<Page<Subject>, TooLarge | Unavailable>

/** A row that is to be looked at, and how large it is: what is too much at once is not read at once. */
interface Sized {
  readonly bytes: number
}

/** Some more of the rows that were found: few at first, for few may do. */
const inPieces = <Id extends Sized, Row>(
  search: Search,
  ids: AsyncGenerator<Id, void>,
  read: (ids: ReadonlyArray<Id>) => Promise<ReadonlyArray<Row>>
) => {
  // One more, which shows whether there are more.
  let rowsMax = search.offset + search.limit + 1
  let left: Id | undefined
  const take = async (): Promise<ReadonlyArray<Id>> => {
    const some: Array<Id> = left === undefined ? [] : [left]
    let bytes = left?.bytes ?? 0
    left = undefined
    while (some.length < rowsMax) {
      const { value: id } = await ids.next()
      if (id === undefined) break
      bytes += id.bytes
      if (bytes > logPageBytesMax && some.length > 0) {
        left = id
        break
      }
      some.push(id)
    }
    rowsMax = Math.min(rowsMax * 2, pageItemsMax)
    return some
  }
  return found(search, async () => {
    while (true) {
      const some = await take()
      const rows = some.length === 0 ? [] : await read(some)
      // None of what was found may be there any more, which is not the end.
      if (some.length === 0 || rows.length > 0) return rows
    }
  })
}

/** What the driver answers, or why it is not all that there is. */
const found = <A>(search: Search, use: () => Promise<A>): Effect.Effect<A, TooLarge | Unavailable> =>
  Effect.catch(
    Effect.tryPromise({ try: use, catch: (cause) => cause }),
    (cause): Effect.Effect<never, TooLarge | Unavailable> => {
      if (cause instanceof TooMany) return Effect.fail(scannedTooMuch(search))
      return isTrouble(cause) ? Effect.fail(storeUnavailable(cause)) : Effect.die(cause)
    }
  )

interface Key extends Sized {
  readonly key: string
}

const byKey = (a: Key, b: Key) => compareText(a.key, b.key)

/** Whether a page may be made of the rows that come first, when there are too many of them. */
const mayHoldLess = ({ order, partial }: Search): boolean => order.at === undefined && partial === true

export const searchEntities = (open: Open, search: Search): Found<Entity> => {
  const { domain, type, query, order } = search
  const { cql, rows, each } = open
  const { from, to } = keyRangeOf(search)
  const bounds = [
    ...(from === undefined ? [] : [from.isIncluded ? (">=" as const) : (">" as const)]),
    ...(to === undefined ? [] : [to.isIncluded ? ("<=" as const) : ("<" as const)])
  ]
  const between = [from, to].flatMap((bound) => (bound === undefined ? [] : [bound.key]))

  const statesAt = async (keys: ReadonlyArray<string>): Promise<ReadonlyArray<State>> => {
    const inShards = Map.groupBy(keys, shardOf)
    const found = await Promise.all(
      [...inShards].map(([shard, some]) => rows(cql.entities, [domain, type, shard, some]))
    )
    const byKey = new Map(found.flat().map((row) => [row["key"] as string, row]))
    return keys
      .flatMap((key) => byKey.get(key) ?? [])
      .map(stateOf)
      .filter(({ deleted }) => !deleted)
  }

  const inShard = (shard: number, sets: ReadonlyArray<Terms> | undefined) =>
    sets === undefined
      ? [each(order.reverse ? cql.keysDown(bounds) : cql.keys(bounds), [domain, type, shard, ...between])]
      : sets.map((terms) =>
          each(cql.keysWith(bounds, terms.length), [domain, type, shard, ...between, ...terms.map(BigInt)])
        )

  async function* keys(): AsyncGenerator<Key, void> {
    const [found] = await rows(cql.type, [domain, type])
    // A type without a row has no entities.
    if (found === undefined) return
    const kept = termsFor(query)
    const sets = kept === undefined || found["wide"] !== true ? kept : [...kept, [anyTerm]]
    const sources = shards.flatMap((shard) => inShard(shard, sets)) as ReadonlyArray<
      AsyncGenerator<unknown, void>
    > as ReadonlyArray<AsyncGenerator<Key, void>>
    if (!order.reverse) return yield* merged(sources, byKey)
    if (sets === undefined) return yield* merged(sources, (a, b) => byKey(b, a))
    // An index finds in one order only.
    yield* firstOf(merged(sources, byKey), (a, b) => byKey(b, a), mayHoldLess(search))
  }

  const next = inPieces(search, keys(), (some) => statesAt(some.map(({ key }) => key)))
  return scan<State, Entity>(search, {
    next,
    subjectOf: (state) => state,
    again: (ties) => attempt(() => statesAt(ties.map(String)))
  })
}

/** Of the events up to a head. */
export const searchEvents = Effect.fnUntraced(function* (open: Open, search: EventSearch, head: Head) {
  const { domain, type, query, order, min, max } = search
  const range = positionRangeOf(search)
  const [first, last] = [range.from < 1n ? 1n : range.from, range.to < head.position ? range.to : head.position]
  if (first > last) return emptyPage
  const later = min === 0n ? 1n : yield* attempt(() => firstAfter(open, head, min))
  const before = max === 0n ? last : (yield* attempt(() => firstAfter(open, head, max - 1n))) - 1n
  const [from, to] = [later > first ? later : first, before < last ? before : last]
  if (from > to) return emptyPage
  const eventsOf = async (positions: ReadonlyArray<bigint>) =>
    (await eventsAt(open, domain, positions)).filter(({ entity }) => entity.type === type)

  const up = (a: Listed, b: Listed) => (a.position < b.position ? -1 : a.position > b.position ? 1 : 0)
  const inOrder = order.reverse ? (a: Listed, b: Listed) => up(b, a) : up
  async function* within(term: bigint): AsyncGenerator<Listed, void> {
    for await (const one of positionsWith(open, domain, term)) if (from <= one.position && one.position <= to) yield one
  }
  const having = (term: bigint) => firstOf(within(term), inOrder, mayHoldLess(search))
  const terms = eventTermsFor(query, domain, type)
  const sources = terms?.map(having) ?? [listed(open, domain, typeList(type), [from, to], order.reverse)]
  const positions = merged(sources, inOrder)
  const next = inPieces(search, positions, (some) => eventsOf(some.map(({ position }) => position)))
  return yield* scan<Event, Event>(search, {
    next,
    subjectOf: (event) => event,
    again: (ties) => attempt(() => eventsOf(ties.map(BigInt)))
  })
})

/** The first position with a later time, or the next one after the head: times rise with positions. */
const firstAfter = async ({ cql, bucketEvents, rows }: Open, head: Head, time: bigint): Promise<bigint> => {
  let [low, high] = [1n, head.position + 1n]
  while (low < high) {
    const middle = (low + high) / 2n
    const [row] = await rows(cql.time, [head.domain, bucketOf(middle, bucketEvents), middle])
    if ((row?.["time"] ?? 0n) > time) high = middle
    else low = middle + 1n
  }
  return low
}
