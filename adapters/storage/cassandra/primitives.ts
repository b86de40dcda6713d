import { errors } from "cassandra-driver"
import { Effect } from "effect"
import { away, Defect, OutcomeUnknown, type Unavailable } from "../../../application/failure.ts"
import { cassandraRequestsMax } from "../../../application/limits.ts"
import type { Place, Primitives } from "../../../application/storage/commit-records/primitives.ts"
import { keyText } from "../../../domain/batch.ts"
import { type Event, evolve } from "../../../domain/event.ts"
import { batched, type RowWrite } from "./batches.ts"
import { attempt, isTrouble } from "./calls.ts"
import type { Open } from "./connection.ts"
import { eventsAt } from "./events.ts"
import { callList, listRows } from "./lists.ts"
import { claimRow, domainRow, eventRow, headOf, integerMax, partOf, placeOf, recordOf, timestampAt } from "./rows.ts"
import { statesIn } from "./states.ts"

const concurrency = cassandraRequestsMax

/**
 * What claims are made of: a lightweight transaction for the claim, and for everything else writes that carry the
 * position as their timestamp, so that of two of them the later one counts, whichever comes first.
 */
export const primitives = (open: Open): Primitives => {
  const { cql, bucketEvents, rows, once, write } = open
  const states = statesIn(open)

  const recordAt = (place: Place) => attempt(() => rows(cql.claimed, placeOf(place, bucketEvents)))

  const madeUnder = (domain: string, caller: string, key: string) =>
    attempt(async () => {
      const listed = await rows(cql.listed, [domain, callList(caller, key)(0n), 1n, integerMax])
      const positions = listed.map((row) => row["position"] as bigint)
      return eventsAt(open, domain, positions)
    })

  return {
    mark: (domain) =>
      Effect.map(
        attempt(() => rows(cql.mark, [partOf(domain), domain])),
        ([row]) => (row === undefined ? undefined : headOf(row))
      ),

    recall: (domain, refs, keys) => {
      const calls = new Map(keys.map((call) => [keyText(call.caller, call.key), call]))
      const made = Effect.forEach([...calls.values()], ({ caller, key }) => madeUnder(domain, caller, key), {
        concurrency
      })
      return Effect.map(Effect.all([states.read(refs), made], { concurrency: 2 }), ([found, events]) => ({
        states: found,
        events: events.flat()
      }))
    },

    claim: (record) =>
      Effect.tryPromise({ try: () => once(cql.claim, claimRow(record, bucketEvents)), catch: (cause) => cause }).pipe(
        Effect.map((row) => (row?.["[applied]"] === true ? record : recordOf(row!))),
        Effect.catch((cause): Effect.Effect<never, Unavailable | OutcomeUnknown | Defect> => {
          if (!isTrouble(cause)) return Effect.fail(new Defect({ cause }))
          return Effect.fail(wasNotMade(cause) ? away(cause) : new OutcomeUnknown({ cause }))
        })
      ),

    claimed: (places) =>
      Effect.map(Effect.forEach(places, recordAt, { concurrency }), (found) => found.flat().map(recordOf)),

    projectEvents: (_, events) => {
      const requests = batched(events.flatMap((event) => eventWrites(open, event)))
      return Effect.forEach(requests, (some) => attempt(() => write(some)), { concurrency, discard: true })
    },

    projectStates: (_, latest) =>
      states.put(latest.map((event) => ({ state: evolve(event), timestamp: timestampAt(event.position) }))),

    moveMark: (head) => attempt(() => write([{ query: cql.moveMark, params: domainRow(head) }]))
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

/**
 * Whether it is certain that a claim was not made, nor will be: it was never sent, or refused for what it says. Whatever
 * a server says of other servers comes too late to tell.
 */
const wasNotMade = (cause: unknown): boolean =>
  cause instanceof errors.NoHostAvailableError ||
  (cause instanceof errors.ResponseError && cause.code >= 0x2000 && cause.code < 0x2500)
