import { Effect } from "effect"
import { cassandraRequestsMax } from "../../../application/limits.ts"
import type { CommitPrimitives, LogPosition } from "../../../application/storage/commit-records/primitives.ts"
import { integerMax } from "../../../application/storage/range.ts"
import { keyText } from "../../../domain/batch.ts"
import { type Event, evolve } from "../../../domain/event.ts"
import { batched, type RowWrite } from "./calls.ts"
import type { Open } from "./connection.ts"
import { attempt, attemptInsert } from "./errors.ts"
import { callList, eventsAt, listRows } from "./events.ts"
import { statesIn } from "./projection.ts"
import { domainRow, eventRow, headOf, partOf, positionKey, recordOf, recordRow, timestampAt } from "./rows.ts"

const concurrency = cassandraRequestsMax

/**
 * Writes of commits and their projections: a lightweight transaction inserts the record, and all other writes carry the
 * position as their timestamp, so that of two the one with the later position counts, in whatever order they arrive.
 */
export const commitPrimitives = (open: Open): CommitPrimitives => {
  const { cql, bucketEvents, rows, once, write } = open
  const states = statesIn(open)

  const recordAt = (at: LogPosition) => attempt(() => rows(cql.record, positionKey(at, bucketEvents)))

  const madeUnder = (domain: string, caller: string, key: string) =>
    attempt(async () => {
      const listed = await rows(cql.listed, [domain, callList(caller, key)(0n), 1n, integerMax])
      const positions = listed.map((row) => row["position"] as bigint)
      return eventsAt(open, domain, positions)
    })

  return {
    appliedHead: (domain) =>
      Effect.map(
        attempt(() => rows(cql.appliedHead, [partOf(domain), domain])),
        ([row]) => (row === undefined ? undefined : headOf(row))
      ),

    readSnapshot: (domain, refs, keys) => {
      const calls = new Map(keys.map((call) => [keyText(call.caller, call.key), call]))
      const made = Effect.forEach([...calls.values()], ({ caller, key }) => madeUnder(domain, caller, key), {
        concurrency
      })
      return Effect.map(Effect.all([states.read(refs), made], { concurrency: 2 }), ([found, events]) => ({
        states: found,
        events: events.flat()
      }))
    },

    insertRecord: (record) =>
      Effect.map(
        attemptInsert(() => once(cql.insertRecord, recordRow(record, bucketEvents))),
        (row) => (row?.["[applied]"] === true ? record : recordOf(row!))
      ),

    recordsAt: (positions) =>
      Effect.map(Effect.forEach(positions, recordAt, { concurrency }), (found) => found.flat().map(recordOf)),

    projectEvents: (_, events) => {
      const requests = batched(events.flatMap((event) => eventWrites(open, event)))
      return Effect.forEach(requests, (some) => attempt(() => write(some)), { concurrency, discard: true })
    },

    projectStates: (_, latest) =>
      states.put(latest.map((event) => ({ state: evolve(event), timestamp: timestampAt(event.position) }))),

    advanceApplied: (head) => attempt(() => write([{ query: cql.advanceApplied, params: domainRow(head) }]))
  }
}

/** Its row in the log, and those that tell of it. */
const eventWrites = ({ cql, bucketEvents }: Open, event: Event): ReadonlyArray<RowWrite> => {
  const { domain } = event.entity
  const params = eventRow(event, bucketEvents)
  const bytes = params[5] as number
  return [
    { query: cql.putEvent, params, partition: JSON.stringify([domain, `${params[1]}`]), bytes },
    ...listRows(event, bytes, bucketEvents).map((row) => {
      const [, list] = row as [domain: string, list: string]
      return { query: cql.putListed, params: row, partition: JSON.stringify([domain, list]), bytes: list.length }
    })
  ]
}
