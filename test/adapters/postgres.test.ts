import { Effect, Layer } from "effect"
import { describe } from "vitest"
import type { PostgresSettings } from "../../adapters/storage/postgres/connection.ts"
import { layer } from "../../adapters/storage/postgres/store.ts"
import { contract } from "../contract/EventStore.ts"
import { contract as projectionContract } from "../contract/Projection.ts"
import { useDictionary } from "../services/collation.ts"
import { postgresql } from "../services/postgres.ts"
import { use } from "../services/service.ts"

const server = use(postgresql)
const dictionary = useDictionary(server)
let place: PostgresSettings | undefined
/** One schema for all of them, once there is a server. */
const schema = Effect.sync(() => (place ??= { ...server.fresh(), addr: dictionary.addr() }))
const store = () => Layer.unwrap(Effect.map(schema, layer))

describe("on PostgreSQL", server.options, () => {
  contract("postgres", store(), { reopen: store, share: store })
  projectionContract("postgres", store())
})
