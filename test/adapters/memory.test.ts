import { Layer } from "effect"
import { layer, MemoryStore, port } from "../../adapters/storage/memory/store.ts"
import { EventStore } from "../../application/ports/EventStore.ts"
import { contract } from "../contract/EventStore.ts"
import { contract as projectionContract } from "../contract/Projection.ts"

const shared = new MemoryStore()

contract("memory", layer, { share: () => Layer.sync(EventStore, () => port(shared)) })
projectionContract("memory", layer)
