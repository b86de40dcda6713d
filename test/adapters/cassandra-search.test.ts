import { Effect } from "effect"
import { assert, describe, test } from "vitest"
import { batched, type RowWrite } from "../../adapters/storage/cassandra/calls.ts"
import { open } from "../../adapters/storage/cassandra/connection.ts"
import { domainRow, entityRow, eventRow, timestampAt } from "../../adapters/storage/cassandra/rows.ts"
import { layer } from "../../adapters/storage/cassandra/store.ts"
import { scanRowsMax } from "../../application/limits.ts"
import { termsOf } from "../../application/storage/index-terms.ts"
import type { Event } from "../../domain/event.ts"
import { entitiesOf, eventsOf } from "../contract/event-store/searching.ts"
import { draftBatch, refIn } from "../contract/event-store/writing.ts"
import { cassandra } from "../services/cassandra.ts"
import { use } from "../services/service.ts"

// What an index finds has no end by itself; a search has one, and says so.

const server = use(cassandra)
const rowsAtOnce = 5_000
const requestsAtOnce = 16

describe("a search on Cassandra", server.options, () => {
  test("for which an index finds more than may be looked at is refused, and not answered in part", async () => {
    const place = server.fresh()
    await Effect.runPromise(Effect.scoped(Effect.flatMap(open(place), filled)))
    const searches = Effect.all([
      Effect.flip(entitiesOf("full", "thing", { filter: '{"a":1}', reverse: true, limit: 1 })),
      Effect.flip(eventsOf("full", "thing", { filter: '{"entity.key":"k"}', limit: 1 }))
    ])
    for (const told of await Effect.runPromise(Effect.provide(searches, layer(place)))) {
      assert.strictEqual(told._tag, "TooLarge")
      assert.match(told.message, /would look at more than 100000 rows/)
    }
  }, 180_000)
})

/** One row more than may be looked at, of entities and of events, as commits would leave them. */
const filled = Effect.fnUntraced(function* ({ cql, bucketEvents, write }: Effect.Success<ReturnType<typeof open>>) {
  const { batch } = draftBatch("full", [{ key: "k" }])
  const [first] = batch.decide({
    position: 0n,
    time: 0n,
    eventId: "",
    state: () => undefined,
    remembered: () => []
  }) as [Event]
  const values = { a: 1 }
  const terms = termsOf(values)
  const rows = (position: bigint): ReadonlyArray<RowWrite> => {
    const state = { ...refIn("full", `k${position}`), values, version: 1n, deleted: false }
    const event = { ...first, position, time: position, entity: { ...first.entity, version: position } }
    const entity = { query: cql.putEntity, params: entityRow(state, terms, timestampAt(position)) }
    const logged = { query: cql.putEvent, params: eventRow(event, bucketEvents) }
    const partitions = [`shard ${entity.params[2]}`, `bucket ${logged.params[1]}`] as const
    return [
      { ...entity, partition: partitions[0], bytes: 100 },
      { ...logged, partition: partitions[1], bytes: 500 }
    ]
  }
  const last = BigInt(scanRowsMax) + 1n
  for (let from = 1n; from <= last; from += BigInt(rowsAtOnce)) {
    const places = Array.from({ length: rowsAtOnce }, (_, i) => from + BigInt(i)).filter((at) => at <= last)
    const requests = batched(places.flatMap(rows))
    const concurrency = requestsAtOnce
    yield* Effect.forEach(requests, (some) => Effect.promise(() => write(some)), { concurrency, discard: true })
  }
  yield* Effect.promise(() => write([{ query: cql.putType, params: ["full", "thing"] }]))
  const head = { domain: "full", incarnation: "i", position: last, time: last, eventId: first.id }
  yield* Effect.promise(() => write([{ query: cql.advanceApplied, params: domainRow(head) }]))
})
