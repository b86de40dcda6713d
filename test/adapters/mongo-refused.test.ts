import { layer } from "../../adapters/storage/mongo/store.ts"
import { ferretdb } from "../services/ferretdb.ts"
import { use } from "../services/service.ts"
import { awayWorld } from "./away.ts"
import { refusesOnlyTheCulprit } from "./refused.ts"

const server = use(ferretdb)
const tooLong = "x".repeat(20 * 1024 * 1024)

const { gateway } = awayWorld(server, layer)

refusesOnlyTheCulprit(server, () => gateway(server.fresh()), {
  read: (store) => store.read({ $stategate: 1 } as never, 0n, 1),
  // Neither the driver nor a server takes a document of more than 16 MiB.
  drafts: [{ key: tooLong }, { key: "a", values: { tooLong } }],
  words: /unknown operator|out of range|too large|larger than/i
})
