import { Effect, Layer } from "effect"
import { describe } from "vitest"
import { commitPrimitives } from "../../adapters/storage/mongo/commit.ts"
import { type MongoSettings, open } from "../../adapters/storage/mongo/connection.ts"
import { layer } from "../../adapters/storage/mongo/store.ts"
import { PrimitivesUnderTest, primitivesContract } from "../contract/CommitPrimitives.ts"
import { commitStops } from "../contract/commit-stops.ts"
import { contract } from "../contract/EventStore.ts"
import { contract as projectionContract } from "../contract/Projection.ts"
import { ferretdb } from "../services/ferretdb.ts"
import { use } from "../services/service.ts"

const server = use(ferretdb)
let place: MongoSettings | undefined
/** One database for all of them, once there is a server. */
const database = Effect.sync(() => (place ??= server.fresh()))

const store = () => Layer.unwrap(Effect.map(database, layer))
const needs = Layer.effect(PrimitivesUnderTest, Effect.map(Effect.flatMap(database, open), commitPrimitives))

describe("on FerretDB", server.options, () => {
  contract("mongo", store(), { reopen: store, share: store })
  projectionContract("mongo", store())
  primitivesContract("mongo", needs)
  commitStops("mongo", Layer.merge(store(), needs))
})
