import { setTimeout as sleep } from "node:timers/promises"
import { assert, describe, test } from "vitest"
import { layer } from "../../adapters/storage/cassandra/store.ts"
import { logOf } from "../contract/event-store/writing.ts"
import { fresh, same } from "../contract/law.ts"
import { cassandra } from "../services/cassandra.ts"
import type { Fate, TcpProxy } from "../services/proxy.ts"
import { use } from "../services/service.ts"
import { awayWorld, breaksForGood, goesAway, recovered, tried } from "./away.ts"

// Servers that go away, and connections that break, one after another or at the worst moment.

const server = use(cassandra)
const world = awayWorld(server, layer)

/** Only inserts of records contain this. */
const holdsRecord = (bytes: Buffer) => bytes.includes('{"incarnation"')

/** Does something once, with the bytes of the first insert of a record. */
const atInsert = (proxy: TcpProxy, fate: Fate) => {
  let times = 0
  proxy.fate = (bytes) => (holdsRecord(bytes) && times++ === 0 ? fate : "passed")
  return () => assert.isAbove(times, 1, "it was lost, and tried again")
}

describe("a connection that breaks", server.faults, () => {
  for (const fate of ["lost", "unanswered"] as const) {
    test(`at an insert of a record (${fate}) costs nothing: the commit is done, once`, async () => {
      const { proxy, one, other } = await world.broken()
      const domain = fresh("broken")
      const { events: first } = await one.runPromise(tried(domain))
      const wasLost = atInsert(proxy, fate)
      const { outcome, events } = await one.runPromise(tried(domain))
      wasLost()
      assert.strictEqual(outcome, "done")
      same(await other.runPromise(logOf(domain)), [...first, ...events], "the log")
    })
  }

  test("and is cut again and again while it is being made anew is made anew all the same, once", async () => {
    const { proxy, one } = await world.broken()
    const domain = fresh("cut")
    await one.runPromise(tried(domain))
    const warnings: Array<string> = []
    const onWarning = ({ message }: Error) => void warnings.push(message)
    process.on("warning", onWarning)
    for (let cut = 0; cut < 60; cut++) {
      await proxy.cut()
      await sleep(Math.random() * 100)
      await proxy.heal()
      if (cut % 3 === 0) await one.runPromise(recovered(domain))
      else await sleep(Math.random() * 60)
    }
    await one.runPromise(recovered(domain))
    process.off("warning", onWarning)
    assert.deepStrictEqual(warnings, [], "nobody listens twice to what was made anew")
  })
})

breaksForGood(server, world, holdsRecord)
goesAway(server, world)
