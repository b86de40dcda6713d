import { Effect } from "effect"
import { assert, describe, test } from "vitest"
import { layer } from "../../adapters/storage/cassandra/store.ts"
import { EventStore } from "../../application/ports/EventStore.ts"
import type { Event } from "../../domain/event.ts"
import { logOf } from "../contract/event-store/writing.ts"
import { fresh, same } from "../contract/law.ts"
import { type CassandraPlace, cassandra, startCluster } from "../services/cassandra.ts"
import { hookMsMax } from "../services/server.ts"
import { type Service, use } from "../services/service.ts"
import { awayWorld, tried } from "./away.ts"

let servers: ReadonlyArray<Service<CassandraPlace>> = []

/** Three servers, each with a copy of everything. */
const cluster = use({
  ...cassandra,
  start: async () => {
    servers = await startCluster(3)
    const remove = () => Promise.all(servers.map((one) => one.remove()))
    return { ...servers[0]!, remove: async () => void (await remove()) }
  }
})
const world = awayWorld(cluster, layer)

/** What readiness asks. */
const ready = Effect.isSuccess(EventStore.use((store) => store.movedSince(undefined)))

describe("a cluster of Cassandra", { ...cluster.faults, timeout: hookMsMax }, () => {
  test("goes on without one of three servers, says so without two, and has lost nothing with all of them", async () => {
    // One is named; the others are learnt from it.
    const one = world.gateway(cluster.fresh())
    const domain = fresh("quorum")
    const tries: Array<{ readonly outcome: string; readonly events: ReadonlyArray<Event> }> = []
    const attempt = async () => {
      tries.push(await one.runPromise(tried(domain)))
      return tries.at(-1)!.outcome
    }
    const commit = async () => {
      while ((await attempt()) !== "done") await one.runPromise(Effect.sleep(100))
    }
    await commit()
    await servers[0]!.kill()
    // Nothing is refused, and nothing left unknown, before the others take note of it.
    assert.strictEqual(await attempt(), "done")
    assert.isTrue(await one.runPromise(ready))

    await servers[1]!.kill()
    assert.notStrictEqual(await attempt(), "done")
    assert.isFalse(await one.runPromise(ready))

    await Promise.all([servers[0]!.restart(), servers[1]!.restart()])
    await commit()
    const log = await one.runPromise(logOf(domain))
    const ids = new Set(log.map(({ id }) => id))
    const made = tries.filter(({ outcome, events }) => outcome === "done" || ids.has(events[0]?.id ?? ""))
    assert.isFalse(
      made.some(({ outcome }) => outcome === "Unavailable"),
      "nothing that was refused"
    )
    same(
      log,
      made.flatMap(({ events }) => events),
      "what was answered, in order, and of what is unknown nothing or all"
    )
    assert.isTrue(await one.runPromise(ready))
  })
})
