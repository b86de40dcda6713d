import { Effect } from "effect"
import { assert, describe, test } from "vitest"
import { layer } from "../../adapters/storage/cassandra/store.ts"
import { EventStore } from "../../application/ports/EventStore.ts"
import { logOf } from "../contract/event-store/writing.ts"
import { fresh, same } from "../contract/law.ts"
import { type CassandraPlace, cassandra, startCluster } from "../services/cassandra.ts"
import { hookMsMax } from "../services/server.ts"
import { type Service, use } from "../services/service.ts"
import { awayWorld, recovered, tried } from "./away.ts"

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
    const addr = servers.map((one) => one.addr).join(",")
    const one = world.gateway({ ...cluster.fresh(), addr })
    const domain = fresh("quorum")
    const made = [...(await one.runPromise(recovered(domain)))]
    await servers[2]!.kill()
    for (let round = 0; round < 3; round++) made.push(...(await one.runPromise(recovered(domain))))
    assert.isTrue(await one.runPromise(ready))

    await servers[1]!.kill()
    assert.strictEqual((await one.runPromise(tried(domain))).outcome, "Unavailable")
    assert.isFalse(await one.runPromise(ready))

    await Promise.all([servers[1]!.restart(), servers[2]!.restart()])
    const after = await one.runPromise(recovered(domain))
    const log = await one.runPromise(logOf(domain))
    same(log, [...made, ...after], "what was answered, and nothing that was refused")
    assert.isTrue(await one.runPromise(ready))
  })
})
