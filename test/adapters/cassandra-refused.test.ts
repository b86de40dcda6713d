import { layer } from "../../adapters/storage/cassandra/store.ts"
import { refIn } from "../contract/event-store/writing.ts"
import { cassandra } from "../services/cassandra.ts"
import { use } from "../services/service.ts"
import { awayWorld } from "./away.ts"
import { refusesOnlyTheCulprit } from "./refused.ts"

const server = use(cassandra)
const { gateway } = awayWorld(server, layer)

refusesOnlyTheCulprit(server, () => gateway(server.fresh()), {
  // No part of a key is longer than 64 KiB, and no request than half a segment of the commit log.
  read: (store, domain) => store.state(refIn(domain.padEnd(70_000, "x"), "a")),
  drafts: [{ key: "a", values: { tooLong: "x".repeat(20 * 1024 * 1024) } }],
  words: /out of range|too large|maximum|exceed/i
})
