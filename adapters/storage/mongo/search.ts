import { Effect } from "effect"
import type { Filter, FindCursor } from "mongodb"
import type { Unavailable } from "../../../application/failure.ts"
import { scanRowsMax } from "../../../application/limits.ts"
import type { EventSearch, Page, Search } from "../../../application/ports/EventStore.ts"
import { emptyPage } from "../../../application/storage/page.ts"
import { type Bound, keyRangeOf, positionRangeOf } from "../../../application/storage/range.ts"
import { type Candidates, scan } from "../../../application/storage/scan.ts"
import type { Head } from "../../../domain/batch.ts"
import type { Entity } from "../../../domain/entity.ts"
import type { Event } from "../../../domain/event.ts"
import type { Query, Subject } from "../../../domain/query.ts"
import type { TooLarge } from "../../../domain/rejection.ts"
import { byId, type Open, soon } from "./connection.ts"
import { attempt } from "./errors.ts"
import { candidates } from "./filter.ts"
import { type EntityRow, type EventRow, eventOf, positionId, refId, stateOf } from "./rows.ts"

/** Beside the other conditions, never in the place of one. */
const passing = <Row>(query: Query, subject: Subject): Filter<Row> => {
  const condition = candidates(query, subject)
  return condition === undefined ? {} : ({ $and: [condition] } as Filter<Row>)
}

/** A search over what comes of a cursor, as it comes over the wire. */
const scanned = <Row, Subject extends Entity | Event>(
  search: Search,
  open: () => FindCursor<Row>,
  others: Omit<Candidates<Row, Subject>, "next">
): Effect.Effect<Page<Subject>, TooLarge | Unavailable> =>
  Effect.acquireUseRelease(
    Effect.sync(open),
    (cursor) => {
      const next = attempt(async () => ((await cursor.hasNext()) ? cursor.readBufferedDocuments() : []))
      return scan(search, { ...others, next })
    },
    // Not awaited: an unreachable server would not answer.
    (cursor) => Effect.sync(() => void cursor.close().catch(() => {}))
  )

const bounds = (from: Bound | undefined, to: Bound | undefined) => ({
  ...(from === undefined ? {} : { [from.isIncluded ? "$gte" : "$gt"]: from.key }),
  ...(to === undefined ? {} : { [to.isIncluded ? "$lte" : "$lt"]: to.key })
})

export const searchEntities = ({ collections: { entities } }: Open, search: Search) => {
  const { domain, type, query, order } = search
  const { from, to } = keyRangeOf(search)
  const key = from === undefined && to === undefined ? {} : { key: bounds(from, to) }
  const where: Filter<EntityRow> = { domain, type, deleted: false, ...key, ...passing(query, "entity") }
  return scanned<EntityRow, Entity>(search, () => entities.find(where, atMost).sort({ key: order.reverse ? -1 : 1 }), {
    subjectOf: stateOf,
    again: (keys) =>
      attempt(() => {
        const ids = keys.map((key) => refId({ domain, type, key: String(key) }))
        return entities.find({ domain, deleted: false, _id: { $in: ids } }, atMost).toArray()
      })
  })
}

/** Of the events up to a head. */
export const searchEvents = Effect.fnUntraced(function* (open: Open, search: EventSearch, head: Head) {
  const { events } = open.collections
  const { domain, type, query, order, min, max } = search
  const range = positionRangeOf(search)
  const [first, end] = [range.from, range.to < head.position ? range.to : head.position]
  if (first > end) return emptyPage
  // The index has times, which are in the order of positions.
  const timeAt = (position: bigint) =>
    attempt(() => events.findOne({ _id: positionId({ domain, position }), domain }, { ...soon, ...byId }))
  const from = first <= 1n ? null : yield* timeAt(first)
  const to = end === head.position ? null : yield* timeAt(end)
  const time = {
    $gt: min,
    ...(max === 0n ? {} : { $lt: max }),
    ...(from === null ? {} : { $gte: from.time }),
    ...(to === null ? {} : { $lte: to.time })
  }
  const position = { $gte: first, $lte: end }
  const where: Filter<EventRow> = { domain, type, time, position, ...passing(query, "event") }
  return yield* scanned<EventRow, Event>(
    search,
    () => events.find(where, atMost).sort({ time: order.reverse ? -1 : 1 }),
    {
      subjectOf: eventOf,
      again: (positions) =>
        attempt(() => {
          const ids = positions.map((at) => positionId({ domain, position: BigInt(at) }))
          return events.find({ domain, _id: { $in: ids } }, atMost).toArray()
        })
    }
  )
})

/** One row more than are looked at, so that it is known when there are too many. */
const atMost = { ...soon, limit: scanRowsMax + 1 }
