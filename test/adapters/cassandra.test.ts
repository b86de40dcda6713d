import { Effect, Layer } from "effect"
import { describe } from "vitest"
import { commitPrimitives } from "../../adapters/storage/cassandra/commit.ts"
import { type CassandraSettings, open } from "../../adapters/storage/cassandra/connection.ts"
import { layer } from "../../adapters/storage/cassandra/store.ts"
import { PrimitivesUnderTest, primitivesContract } from "../contract/CommitPrimitives.ts"
import { commitStops } from "../contract/commit-stops.ts"
import { contract } from "../contract/EventStore.ts"
import { contract as projectionContract } from "../contract/Projection.ts"
import { cassandra } from "../services/cassandra.ts"
import { use } from "../services/service.ts"

const server = use(cassandra)
let place: CassandraSettings | undefined
/** One keyspace for all of them, once there is a server. */
const keyspace = Effect.sync(() => (place ??= server.fresh()))

const store = () => Layer.unwrap(Effect.map(keyspace, layer))
const needs = Layer.effect(PrimitivesUnderTest, Effect.map(Effect.flatMap(keyspace, open), commitPrimitives))

describe("on Cassandra", server.options, () => {
  contract("cassandra", store(), { reopen: store, share: store })
  projectionContract("cassandra", store())
  primitivesContract("cassandra", needs)
  commitStops("cassandra", Layer.merge(store(), needs))
})
