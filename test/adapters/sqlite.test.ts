import { afterAll } from "vitest"
import { layer } from "../../adapters/storage/sqlite/store.ts"
import { contract } from "../contract/EventStore.ts"
import { contract as projectionContract } from "../contract/Projection.ts"
import { temporaryFolder } from "../support/process.ts"

const folder = temporaryFolder()
afterAll(folder.remove)

contract("sqlite", layer({ path: `${folder.path}/laws.db` }), {
  reopen: () => layer({ path: `${folder.path}/reopened.db` })
})
projectionContract("sqlite", layer({ path: `${folder.path}/projection.db` }))
