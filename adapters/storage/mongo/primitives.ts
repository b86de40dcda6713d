import { Effect } from "effect"
import { MongoBulkWriteError, MongoError, MongoServerError, MongoServerSelectionError } from "mongodb"
import { away, Defect, OutcomeUnknown, type Unavailable } from "../../../application/failure.ts"
import type { ClaimRecord, Place, Primitives } from "../../../application/storage/commit-records/primitives.ts"
import { evolve } from "../../../domain/event.ts"
import { attempt, byId, isMistake, type Open } from "./connection.ts"
import {
  callText,
  claimRow,
  type EntityRow,
  entityRow,
  eventOf,
  eventRow,
  headOf,
  placeId,
  recordOf,
  refId,
  stateOf
} from "./rows.ts"

/**
 * What claims are made of. The server has to insert an `_id` once, and to change a row only while it passes the filter:
 * nothing here needs a transaction, nor a replica set.
 */
export const primitives = ({ collections, fresh }: Open): Primitives => {
  const { claims, domains, entities, events } = collections

  /** Whether it was this call that kept the record. */
  const insert = (record: ClaimRecord) =>
    Effect.catch(
      Effect.tryPromise({ try: () => isFirst(() => claims.insertOne(claimRow(record))), catch: (cause) => cause }),
      (cause): Effect.Effect<never, Unavailable | OutcomeUnknown | Defect> => {
        // Other errors than the driver's own are about what it was given, and nothing was sent.
        if (!(cause instanceof MongoError) || isMistake(cause)) return Effect.fail(new Defect({ cause }))
        return Effect.fail(wasNotMade(cause) ? away(cause) : new OutcomeUnknown({ cause }))
      }
    )

  const found = (places: ReadonlyArray<Place>) =>
    Effect.map(
      attempt(() => {
        const [one, ...others] = places
        if (one === undefined) return Promise.resolve([])
        const filter =
          others.length === 0
            ? { _id: placeId(one), domain: one.domain }
            : { _id: { $in: places.map(placeId) }, domain: { $in: places.map(({ domain }) => domain) } }
        return claims.find(filter, fresh).toArray()
      }),
      (rows) => rows.map(recordOf)
    )

  const setOlder = (rows: ReadonlyArray<EntityRow>, upsert: boolean) => {
    const writes = rows.map(({ _id, ...row }) => ({
      // Of many, though there is but one: for each that is to change one, FerretDB keeps a connection of its few.
      updateMany: { filter: { _id, domain: row.domain, version: { $lt: row.version } }, update: { $set: row }, upsert }
    }))
    return entities.bulkWrite(writes, { ordered: false })
  }

  return {
    mark: (domain) =>
      Effect.map(
        attempt(() => domains.findOne({ _id: domain, domain }, fresh)),
        (row) => (row === null ? undefined : headOf(row))
      ),

    recall: (domain, refs, keys) => {
      const ids = [...new Set(refs.map(refId))]
      const calls = [...new Set(keys.map((key) => callText(domain, key)))]
      return attempt(async () => {
        // In one answer, as far as there is room: what comes later might come from a server that is no longer the one.
        const once = { ...fresh, ...byId, batchSize: ids.length + 1 }
        const [states, made] = await Promise.all([
          ids.length === 0 ? [] : entities.find({ domain, _id: oneOf(ids) }, once).toArray(),
          calls.length === 0
            ? []
            : events
                .find({ domain, call: oneOf(calls) }, fresh)
                .sort({ _id: 1 })
                .toArray()
        ])
        return { states: states.map(stateOf), events: made.map(eventOf) }
      })
    },

    claim: Effect.fnUntraced(function* (record) {
      if (yield* insert(record)) return record
      const [there] = yield* found([record])
      return there ?? (yield* new OutcomeUnknown({ cause: new Error("a record was there, and is not") }))
    }),

    claimed: found,

    projectEvents: (_, made) =>
      attempt(async () => {
        await isFirst(() => events.insertMany(made.map(eventRow), { ordered: false }))
      }),

    projectStates: (_, latest) =>
      attempt(async () => {
        const rows = latest.map(evolve).map(entityRow)
        if (await isFirst(() => setOlder(rows, true))) return
        // A row that is not older cannot be inserted either, and there a server may have left it.
        await isFirst(() => entities.insertMany(rows, { ordered: false }))
        await setOlder(rows, false)
      }),

    moveMark: ({ domain, incarnation, position, time, eventId }) =>
      attempt(async () => {
        const move = (upsert: boolean) =>
          domains.updateOne(
            { _id: domain, domain, position: { $lt: position } },
            { $set: { incarnation, position, time, eventId }, $currentDate: { moved: true } },
            { upsert }
          )
        // Somebody may just have been quicker with an older one.
        if (!(await isFirst(() => move(true)))) await move(false)
      })
  }
}

/** FerretDB looks into its index for one value only. */
const oneOf = (texts: ReadonlyArray<string>) => (texts.length === 1 ? texts[0]! : { $in: [...texts] })

/** Whether an insert found nothing in its place; one of many rows may find something, and the others are inserted. */
const isFirst = async (insert: () => Promise<unknown>): Promise<boolean> => {
  try {
    await insert()
    return true
  } catch (error) {
    if (isDuplicate(error)) return false
    throw error
  }
}

const duplicate = 11000

const isDuplicate = (error: unknown): boolean => {
  if (!(error instanceof MongoServerError) || error.code !== duplicate) return false
  if (!(error instanceof MongoBulkWriteError)) return true
  // One of many may have failed in another way, or not be safe yet.
  return (
    [error.writeErrors].flat().every(({ code }) => code === duplicate) &&
    error.result.getWriteConcernError() === undefined
  )
}

/** What servers say when they have not made a write: not allowed, rejected by a rule, no room. */
const refusals: ReadonlyArray<unknown> = [13, 121, 8000, 14031]

/** Whether it is certain that a write was not made. Anything else may have been made, or may be yet. */
const wasNotMade = (error: MongoError): boolean =>
  error instanceof MongoServerSelectionError ||
  error.name === "MongoWaitQueueTimeoutError" ||
  (error instanceof MongoServerError && refusals.includes(error.code))
