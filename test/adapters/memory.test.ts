import { layer } from "../../adapters/storage/memory/store.ts"
import { contract } from "../contract/EventStore.ts"

contract("memory", layer)
