import { Context, Effect, Layer } from "effect"
import type { MongoClient } from "mongodb"
import type { Unavailable } from "../../../application/failure.ts"
import { logPageBytesMax } from "../../../application/limits.ts"
import { EventStore } from "../../../application/ports/EventStore.ts"
import { Projection } from "../../../application/ports/Projection.ts"
import { type RecordStorePrimitives, recordStore } from "../../../application/storage/record-store.ts"
import type { Ref } from "../../../domain/entity.ts"
import type { Event } from "../../../domain/event.ts"
import { commitPrimitives } from "./commit.ts"
import { byId, type MongoSettings, type Open, open, soon } from "./connection.ts"
import { attempt, isServerReply } from "./errors.ts"
import { projection } from "./projection.ts"
import { type EventRow, eventOf, headOf, positionId, refId, stateOf } from "./rows.ts"
import { searchEntities, searchEvents } from "./search.ts"

const primitives = (opened: Open): RecordStorePrimitives => {
  const { client, healthChecks, collections, fresh } = opened
  const { domains, entities, events } = collections

  const millis = (over: MongoClient) =>
    Effect.map(
      attempt(() => over.db("admin").command({ hello: 1 }, { readPreference: "primary" })),
      ({ localTime }) => (localTime as Date).getTime()
    )

  const eventOfRef = ({ domain, type, key }: Ref, which: Partial<EventRow>) =>
    attempt(async () => {
      const row = await events.findOne({ domain, type, key, ...which }, fresh)
      return row === null ? undefined : eventOf(row)
    })

  return {
    ...commitPrimitives(opened),
    state: (ref) =>
      attempt(async () => {
        const row = await entities.findOne({ _id: refId(ref), domain: ref.domain }, { ...fresh, ...byId })
        return row === null ? undefined : stateOf(row)
      }),
    version: (ref, version) => eventOfRef(ref, { version }),
    event: (ref, id) => eventOfRef(ref, { id }),
    eventsBetween: (domain, after, upTo, limit) =>
      attempt(async () => {
        const rows = { $gt: positionId({ domain, position: after }), $lte: positionId({ domain, position: upTo }) }
        const once = { ...fresh, batchSize: limit, limit }
        const found: Array<Event> = []
        let bytes = 0
        for await (const row of events.find({ domain, _id: rows }, once).sort({ _id: 1 })) {
          bytes += row.values.length
          // At least two, since streams recognize the log by the first of them.
          if (bytes > logPageBytesMax && found.length > 1) break
          if (row.position !== after + BigInt(found.length) + 1n) break
          found.push(eventOf(row))
        }
        return found
      }),
    entities: (search) => searchEntities(opened, search),
    events: (search, upTo) => searchEvents(opened, search, upTo),
    headsFrom: (prefix, visit) =>
      attempt(async () => {
        for await (const row of domains.find({ _id: { $gte: prefix } }, soon).sort({ _id: 1 }))
          if (!visit(headOf(row))) break
      }),
    headsMovedSince: (unixMs) =>
      Effect.map(
        attempt(() => domains.find({ moved: { $gt: new Date(unixMs) } }, fresh).toArray()),
        (rows) => rows.map(headOf)
      ),
    now: millis(client),
    healthCheck: millis(healthChecks),
    isServerReply
  }
}

/**
 * A database of MongoDB, or of a server that speaks its protocol, for any number of gateways. A commit is the insert of
 * one record; the rows that readers look at follow it.
 */
export const layer = (settings: MongoSettings): Layer.Layer<EventStore | Projection, Unavailable> =>
  Layer.effectContext(
    Effect.gen(function* () {
      const opened = yield* open(settings)
      const store = yield* recordStore(primitives(opened))
      return Context.make(EventStore, store).pipe(Context.add(Projection, projection(opened)))
    })
  )
