import { Effect } from "effect"
import { OutcomeUnknown } from "../../../application/failure.ts"
import type { CommitPrimitives, LogPosition } from "../../../application/storage/commit-records/primitives.ts"
import { evolve } from "../../../domain/event.ts"
import { byId, type Open } from "./connection.ts"
import { attempt, attemptInsert, isFirst } from "./errors.ts"
import {
  callText,
  type EntityRow,
  entityRow,
  eventOf,
  eventRow,
  headOf,
  positionId,
  recordOf,
  recordRow,
  refId,
  stateOf
} from "./rows.ts"

/**
 * Writes of commits and their projections. The server has to insert an `_id` once, and to change a row only while it
 * passes the filter: nothing here needs a transaction, nor a replica set.
 */
export const commitPrimitives = ({ collections, fresh }: Open): CommitPrimitives => {
  const { claims, domains, entities, events } = collections

  const recordsAt = (positions: ReadonlyArray<LogPosition>) =>
    Effect.map(
      attempt(() => {
        const [one, ...others] = positions
        if (one === undefined) return Promise.resolve([])
        const filter =
          others.length === 0
            ? { _id: positionId(one), domain: one.domain }
            : { _id: { $in: positions.map(positionId) }, domain: { $in: positions.map(({ domain }) => domain) } }
        return claims.find(filter, fresh).toArray()
      }),
      (rows) => rows.map(recordOf)
    )

  const setOlder = (rows: ReadonlyArray<EntityRow>, upsert: boolean) => {
    const writes = rows.map(({ _id, ...row }) => ({
      // For each `updateOne` of a bulk, FerretDB holds one of its few connections.
      updateMany: { filter: { _id, domain: row.domain, version: { $lt: row.version } }, update: { $set: row }, upsert }
    }))
    return entities.bulkWrite(writes, { ordered: false })
  }

  return {
    appliedHead: (domain) =>
      Effect.map(
        attempt(() => domains.findOne({ _id: domain, domain }, fresh)),
        (row) => (row === null ? undefined : headOf(row))
      ),

    readSnapshot: (domain, refs, keys) => {
      const ids = [...new Set(refs.map(refId))]
      const calls = [...new Set(keys.map((key) => callText(domain, key)))]
      return attempt(async () => {
        // In one batch if it fits: a later one might come from a server that is no longer the primary.
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

    insertRecord: Effect.fnUntraced(function* (record) {
      if (yield* attemptInsert(() => isFirst(() => claims.insertOne(recordRow(record))))) return record
      const [there] = yield* recordsAt([record])
      return there ?? (yield* new OutcomeUnknown({ cause: new Error("a record was there, and is not") }))
    }),

    recordsAt,

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

    advanceApplied: ({ domain, incarnation, position, time, eventId }) =>
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
