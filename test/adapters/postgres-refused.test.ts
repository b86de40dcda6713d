import { refIn } from "../contract/event-store/writing.ts"
import { postgresWorld } from "./postgres-world.ts"
import { refusesOnlyTheCulprit } from "./refused.ts"

const { server, gateway } = postgresWorld()

refusesOnlyTheCulprit(server, () => gateway(server.fresh()), {
  // No text of PostgreSQL holds it.
  read: (store, domain) => store.state(refIn(domain, "a\0")),
  drafts: [{ key: "a\0" }, { key: "a", traceparent: "\0" }, { key: "a", time: 2n ** 63n }],
  words: /invalid byte sequence|out of range|unsupported Unicode escape/
})
