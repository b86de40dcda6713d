import { setTimeout as sleep } from "node:timers/promises"
import { assert, describe, test } from "vitest"
import { layer } from "../../adapters/storage/mongo/store.ts"
import { storeAskMsMax, storeQuietCheckMs, storeQuietMs } from "../../application/limits.ts"
import { entitiesOf } from "../contract/event-store/searching.ts"
import { logOf } from "../contract/event-store/writing.ts"
import { fresh, same } from "../contract/law.ts"
import { ferretdb } from "../services/ferretdb.ts"
import type { Fate, TcpProxy } from "../services/proxy.ts"
import { use } from "../services/service.ts"
import { awayWorld, breaksForGood, goesAway, tried } from "./away.ts"

// Servers that go away, and connections that break at the worst moment.

const server = use(ferretdb)

const world = awayWorld(server, layer)
const two = awayWorld(server, (place) => layer({ ...place, connections: 2 }))

/** Does something once, with the bytes of the first command that writes to a collection. */
const atWriteTo = (collection: string, proxy: TcpProxy, fate: Fate) => {
  let times = 0
  proxy.fate = (bytes) => {
    const isWrite = ["insert\0", "update\0"].some((command) => bytes.includes(command))
    return isWrite && bytes.includes(`stategate.${collection}\0`) && times++ === 0 ? fate : "passed"
  }
  return () => assert.isAbove(times, 1, "it was lost, and tried again")
}

describe("a connection that breaks", server.faults, () => {
  for (const collection of ["claims", "events", "entities", "domains"]) {
    for (const fate of ["lost", "unanswered"] as const) {
      test(`at the write to ${collection} (${fate}) costs nothing: the commit is done, once`, async () => {
        const { proxy, one, other } = await world.broken()
        const domain = fresh("broken")
        const { events: first } = await one.runPromise(tried(domain))
        const wasLost = atWriteTo(collection, proxy, fate)
        const { outcome, events } = await one.runPromise(tried(domain))
        wasLost()
        assert.strictEqual(outcome, "done")
        same(await other.runPromise(logOf(domain)), [...first, ...events], "the log")
        same(
          (await other.runPromise(entitiesOf(domain, "thing"))).map(({ version }) => version),
          [2n, 2n],
          "versions"
        )
      })
    }
  }
})

describe("a server that is slow with as many searches as there are connections", server.options, () => {
  test("is not one that does not answer", async () => {
    const { proxy, one } = await two.broken()
    const domain = fresh("slow")
    await one.runPromise(tried(domain))
    proxy.fate = (bytes) => (bytes.includes("find\0") ? "held" : "passed")
    const searches = [1, 2].map(() => one.runPromise(entitiesOf(domain, "thing")))
    await sleep(storeQuietMs + 3 * (storeAskMsMax + storeQuietCheckMs))
    proxy.fate = () => "passed"
    proxy.release()
    for (const found of await Promise.all(searches)) assert.lengthOf(found, 2)
  })
})

breaksForGood(server, world, (bytes) => bytes.includes("stategate.claims\0") && bytes.includes("insert\0"))
goesAway(server, world)
