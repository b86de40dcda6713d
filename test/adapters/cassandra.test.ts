import { Effect, Layer } from "effect"
import { describe } from "vitest"
import { type CassandraSettings, open } from "../../adapters/storage/cassandra/connection.ts"
import { primitives } from "../../adapters/storage/cassandra/primitives.ts"
import { layer } from "../../adapters/storage/cassandra/store.ts"
import { PrimitivesUnderTest, primitivesContract } from "../contract/CommitPrimitives.ts"
import { claimStops } from "../contract/commit-stops.ts"
import { contract } from "../contract/EventStore.ts"
import { contract as projectionContract } from "../contract/Projection.ts"
import { cassandra } from "../services/cassandra.ts"
import { use } from "../services/service.ts"

const server = use(cassandra)
let place: CassandraSettings | undefined
/** One keyspace for all of them, once there is a server. */
const keyspace = Effect.sync(() => (place ??= server.fresh()))

const store = () => Layer.unwrap(Effect.map(keyspace, layer))
const needs = Layer.effect(PrimitivesUnderTest, Effect.map(Effect.flatMap(keyspace, open), primitives))

describe("on Cassandra", server.options, () => {
  contract("cassandra", store(), { reopen: store, share: store })
  projectionContract("cassandra", store())
  primitivesContract("cassandra", needs)
  claimStops("cassandra", Layer.merge(store(), needs))
})
