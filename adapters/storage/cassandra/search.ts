import { Effect } from "effect"
import { away, type Unavailable } from "../../../application/failure.ts"
import { logPageBytesMax, pageItemsMax, scanRowsMax } from "../../../application/limits.ts"
import { scannedTooMuch } from "../../../application/page.ts"
import type { EventSearch, Search } from "../../../application/ports/EventStore.ts"
import { scan } from "../../../application/scan.ts"
import { anyTerm } from "../../../application/terms.ts"
import type { Head } from "../../../domain/batch.ts"
import type { Entity, State } from "../../../domain/entity.ts"
import type { Event } from "../../../domain/event.ts"
import { compareText } from "../../../domain/query.ts"
import type { TooLarge } from "../../../domain/rejection.ts"
import { attempt, isTrouble } from "./calls.ts"
import type { Open } from "./connection.ts"
import { eventsAt, positionsWith, TooMany } from "./events.ts"
import { eventTermsFor, type Terms, termsFor } from "./filter.ts"
import { type Listed, listed, typeList } from "./lists.ts"
import { merged } from "./merged.ts"
import { bucketOf, shardOf, shards, stateOf } from "./rows.ts"

type Found<Subject> = Effect.Effect<ReadonlyArray<Subject>, TooLarge | Unavailable>

/** A row that is to be looked at, and how large it is: what is too much at once is not read at once. */
interface Sized {
  readonly bytes: number
}

/** Some more of the rows that were found: few at first, for few may do. */
const inPieces = <Id extends Sized, Row>(
  ids: AsyncGenerator<Id, void>,
  wanted: number,
  read: (ids: ReadonlyArray<Id>) => Promise<ReadonlyArray<Row>>
) => {
  let rowsMax = wanted
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
  return found(async () => {
    while (true) {
      const some = await take()
      const rows = some.length === 0 ? [] : await read(some)
      // None of what was found may be there any more, which is not the end.
      if (some.length === 0 || rows.length > 0) return rows
    }
  })
}

/** What the driver answers, or why it is not all that there is. */
const found = <A>(use: () => Promise<A>): Effect.Effect<A, TooLarge | Unavailable> =>
  Effect.catch(
    Effect.tryPromise({ try: use, catch: (cause) => cause }),
    (cause): Effect.Effect<never, TooLarge | Unavailable> => {
      if (cause instanceof TooMany) return Effect.fail(scannedTooMuch)
      return isTrouble(cause) ? Effect.fail(away(cause)) : Effect.die(cause)
    }
  )

interface Key extends Sized {
  readonly key: string
}

const byKey = (a: Key, b: Key) => compareText(a.key, b.key)

export const searchEntities = (open: Open, search: Search): Found<Entity> => {
  const { domain, type, query, order, limit, offset } = search
  const { cql, rows, each } = open

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
      ? [each(order.reverse ? cql.keysDown : cql.keys, [domain, type, shard])]
      : sets.map((terms) => each(cql.keysWith(terms.length), [domain, type, shard, ...terms.map(BigInt)]))

  async function* keys(): AsyncGenerator<Key, void> {
    const [told] = await rows(cql.type, [domain, type])
    // A type that is not told has no entities.
    if (told === undefined) return
    const kept = termsFor(query)
    const sets = kept === undefined || told["wide"] !== true ? kept : [...kept, [anyTerm]]
    const sources = shards.flatMap((shard) => inShard(shard, sets)) as ReadonlyArray<
      AsyncGenerator<unknown, void>
    > as ReadonlyArray<AsyncGenerator<Key, void>>
    if (!order.reverse) return yield* merged(sources, byKey)
    if (sets === undefined) return yield* merged(sources, (a, b) => byKey(b, a))
    // An index finds in one order only.
    const all: Array<Key> = []
    for await (const key of merged(sources, byKey)) if (all.push(key) > scanRowsMax) throw new TooMany()
    yield* all.reverse()
  }

  const next = inPieces(keys(), offset + limit, (some) => statesAt(some.map(({ key }) => key)))
  return scan<State, Entity>(search, {
    next,
    subjectOf: (state) => state,
    again: (ties) => attempt(() => statesAt(ties.map(String)))
  })
}

/** Of the events up to a head. */
export const searchEvents = Effect.fnUntraced(function* (open: Open, head: Head, search: EventSearch) {
  const { domain, type, query, order, limit, offset, min, max } = search
  const from = min === 0n ? 1n : yield* attempt(() => firstAfter(open, head, min))
  const to = max === 0n ? head.position : (yield* attempt(() => firstAfter(open, head, max - 1n))) - 1n
  if (from > to) return []
  const eventsOf = async (positions: ReadonlyArray<bigint>) =>
    (await eventsAt(open, domain, positions)).filter(({ entity }) => entity.type === type)

  async function* having(term: bigint): AsyncGenerator<Listed, void> {
    const all = await positionsWith(open, domain, term)
    const some = all.filter(({ position }) => from <= position && position <= to)
    yield* order.reverse ? some.reverse() : some
  }
  const terms = eventTermsFor(query, domain, type)
  const sources = terms?.map(having) ?? [listed(open, domain, typeList(type), [from, to], order.reverse)]
  const up = (a: Listed, b: Listed) => (a.position < b.position ? -1 : a.position > b.position ? 1 : 0)
  const positions = merged(sources, order.reverse ? (a, b) => up(b, a) : up)
  const next = inPieces(positions, offset + limit, (some) => eventsOf(some.map(({ position }) => position)))
  return yield* scan<Event, Event>(search, {
    next,
    subjectOf: (event) => event,
    again: (ties) => attempt(() => eventsOf(ties.map(BigInt)))
  })
})

/** The first position with a later time, or the one behind the head: times rise with positions. */
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
