import { Effect } from "effect"
import type { Filter, FindCursor } from "mongodb"
import type { Unavailable } from "../../../application/failure.ts"
import { scanRowsMax, storeCallMsMax } from "../../../application/limits.ts"
import type { EventSearch, Search } from "../../../application/ports/EventStore.ts"
import { type Candidates, scan } from "../../../application/scan.ts"
import type { Head } from "../../../domain/batch.ts"
import type { Entity } from "../../../domain/entity.ts"
import type { Event } from "../../../domain/event.ts"
import type { Query, Subject } from "../../../domain/query.ts"
import type { TooLarge } from "../../../domain/rejection.ts"
import { attempt, type Open } from "./connection.ts"
import { candidates } from "./filter.ts"
import { type EntityRow, type EventRow, eventOf, placeId, refId, stateOf } from "./rows.ts"

/** Beside the other conditions, never in the place of one. */
const passing = <Row>(query: Query, subject: Subject): Filter<Row> => {
  const condition = candidates(query, subject)
  return condition === undefined ? {} : ({ $and: [condition] } as Filter<Row>)
}

/** What comes of a cursor, as it comes over the wire; the cursor is closed with the search. */
const during = <Row, A, E>(
  cursor: FindCursor<Row>,
  use: (next: Candidates<Row, never>["next"]) => Effect.Effect<A, E>
) =>
  Effect.ensuring(
    use(attempt(async () => ((await cursor.hasNext()) ? cursor.readBufferedDocuments() : []))),
    Effect.promise(() => cursor.close().catch(() => {}))
  )

export const searchEntities = (
  { collections: { entities } }: Open,
  search: Search
): Effect.Effect<ReadonlyArray<Entity>, TooLarge | Unavailable> => {
  const { domain, type, query, order } = search
  const where: Filter<EntityRow> = { domain, type, deleted: false, ...passing(query, "entity") }
  const cursor = entities
    .find(where, { maxTimeMS: storeCallMsMax })
    .sort({ key: order.reverse ? -1 : 1 })
    .limit(scanRowsMax + 1)
  return during(cursor, (next) =>
    scan(search, {
      next,
      subjectOf: stateOf,
      again: (keys) =>
        attempt(() => {
          const ids = keys.map((key) => refId({ domain, type, key: String(key) }))
          return entities.find({ domain, deleted: false, _id: { $in: ids } }).toArray()
        })
    })
  )
}

/** Of the events up to a head. */
export const searchEvents = (
  { collections: { events } }: Open,
  { position }: Head,
  search: EventSearch
): Effect.Effect<ReadonlyArray<Event>, TooLarge | Unavailable> => {
  const { domain, type, query, order, min, max } = search
  const within = { $gt: min, ...(max === 0n ? {} : { $lt: max }) }
  const where: Filter<EventRow> = {
    domain,
    type,
    time: within,
    position: { $lte: position },
    ...passing(query, "event")
  }
  const cursor = events
    .find(where, { maxTimeMS: storeCallMsMax })
    .sort({ time: order.reverse ? -1 : 1 })
    .limit(scanRowsMax + 1)
  return during(cursor, (next) =>
    scan(search, {
      next,
      subjectOf: eventOf,
      again: (positions) =>
        attempt(() => {
          const ids = positions.map((at) => placeId({ domain, position: BigInt(at) }))
          return events.find({ domain, _id: { $in: ids } }).toArray()
        })
    })
  )
}
