// What a store must survive, by its real server: under load, with two gateways on it.

import { setTimeout as sleep } from "node:timers/promises"
import { Code, ConnectError, createClient } from "@connectrpc/connect"
import { createGrpcTransport } from "@connectrpc/connect-node"
import { afterEach, assert, describe, test } from "vitest"
import { EntityService } from "../../proto/gen/stategate/stategate_pb.js"
import { startProxy } from "../services/proxy.ts"
import { hookMsMax } from "../services/server.ts"
import { type Kind, use } from "../services/service.ts"
import { freePort, type GatewayProcess, startGateway } from "../support/process.ts"
import { type Follower, follow } from "./follow.ts"
import { type Load, startLoad } from "./load.ts"
import { assertWhole } from "./verdict.ts"

/** `STATEGATE_TEST_FAULTS=long` does more of everything, for as long as it is asked. */
const isLong = process.env["STATEGATE_TEST_FAULTS"] === "long"
const killRounds = isLong ? 50 : 8
const restarts = isLong ? 5 : 1
const pauseMs = isLong ? 10_000 : 3_000
const cuts = isLong ? 50 : 8
const testMsMax = 1_200_000

interface World {
  readonly urls: ReadonlyArray<string>
  readonly gateways: Array<GatewayProcess>
  readonly load: Load
  readonly followers: ReadonlyArray<Follower>
  readonly restartGateway: (which: number) => Promise<void>
  /** Stops all that goes on, and judges; by what others wrote as well. */
  readonly judged: (others?: Load) => Promise<void>
}

export const faults = <Location extends { readonly addr: string }>(
  kind: Kind<Location>,
  provider: (place: Location) => object,
  /** The setting that bounds the connections of a gateway. */
  narrow: object
): void => {
  const server = use(kind)
  const ends: Array<() => Promise<unknown>> = []
  afterEach(async () => {
    for (const end of ends.splice(0).reverse()) await end()
  }, hookMsMax)

  const world = async (storage: object): Promise<World> => {
    const ports = [await freePort(), await freePort()]
    const urls = ports.map((port) => `http://127.0.0.1:${port}`)
    const gateways: Array<GatewayProcess> = []
    const restartGateway = async (which: number) => {
      gateways[which] = await startGateway({
        STATEGATE_PORT: String(ports[which]),
        STATEGATE_STORAGE_PROVIDER: JSON.stringify(storage)
      })
    }
    ends.push(() => Promise.all(gateways.map((gateway) => gateway.stop("SIGKILL"))))
    await restartGateway(0)
    await restartGateway(1)
    const followers = urls.map(follow)
    const load = startLoad(urls)
    ends.push(() => Promise.all([load.stop(), ...followers.map((follower) => follower.stop())]))
    const judged = async (others?: Load) => {
      await load.acks(20)
      await load.stop()
      assert.isAbove(await assertWhole(urls, [...load.attempts, ...(others?.attempts ?? [])], followers), 0)
      for (const follower of followers) await follower.stop()
    }
    await load.acks(20)
    return { urls, gateways, load, followers, restartGateway, judged }
  }

  const said = (what: string) => process.stdout.write(`${kind.name}: ${what}\n`)

  describe(`${kind.name}, under load from two gateways, survives`, { timeout: testMsMax }, () => {
    test(`${killRounds} gateways killed with SIGKILL`, server.options, async () => {
      const { gateways, load, restartGateway, judged } = await world(provider(server.fresh()))
      for (let round = 0; round < killRounds; round++) {
        await load.acks(20)
        await sleep(Math.random() * 40)
        await gateways[round % 2]!.stop("SIGKILL")
        await restartGateway(round % 2)
      }
      await judged()
    })

    test("its server killed and started again, without a restart of the gateways", server.faults, async () => {
      const { gateways, urls, load, judged } = await world(provider(server.fresh()))
      for (let round = 0; round < restarts; round++) {
        await load.acks(50)
        await server.own().kill()
        await refusesFast(urls[0]!)
        await readiness(gateways[0]!, 503, "unavailable")
        await server.own().restart()
        const since = performance.now()
        await load.acks(1)
        said(`acknowledged again ${Math.round(performance.now() - since)} ms after the server was back`)
        await readiness(gateways[0]!, 200, "ok")
      }
      await judged()
    })

    test(`a server that stands still for ${pauseMs} ms`, server.faults, async () => {
      const { gateways, urls, load, judged } = await world(provider(server.fresh()))
      await load.acks(50)
      server.own().pause()
      const over = sleep(pauseMs)
      await refusesFast(urls[0]!)
      await readiness(gateways[0]!, 503, "unavailable")
      await over
      server.own().resume()
      const since = performance.now()
      await load.acks(1)
      said(`acknowledged again ${Math.round(performance.now() - since)} ms after the server went on`)
      await readiness(gateways[0]!, 200, "ok")
      await judged()
    })

    test(`${cuts} cuts of all connections`, server.options, async () => {
      const place = server.fresh()
      const proxy = await startProxy(place.addr)
      ends.push(proxy.close)
      const { load, judged } = await world(provider({ ...place, addr: proxy.addr }))
      for (let cut = 0; cut < cuts; cut++) {
        await load.acks(10)
        await sleep(Math.random() * 20)
        await proxy.cut()
        await sleep(Math.random() * 100)
        await proxy.heal()
      }
      await judged()
    })

    test("more callers than connections", server.options, async () => {
      const { urls, judged } = await world({ ...provider(server.fresh()), ...narrow })
      const crowd = startLoad(urls, 64)
      const readers = startReaders(urls, 64)
      ends.push(crowd.stop, readers.stop)
      await crowd.acks(500)
      await crowd.stop()
      const { failures, reads } = await readers.stop()
      assert.deepStrictEqual(failures, [])
      assert.isAbove(reads, 0)
      assert.deepStrictEqual(
        crowd.attempts.filter(({ outcome }) => outcome._tag === "Unknown"),
        [],
        "each caller hears what became of its call"
      )
      await judged(crowd)
    })
  })
}

/** Calls are refused by the gateway itself, and long before their deadline. */
const refusesFast = async (url: string): Promise<void> => {
  const client = createClient(EntityService, createGrpcTransport({ baseUrl: url }))
  const ref = { domain: "faults-refused", type: "t", key: "k" }
  const options = { timeoutMs: 60_000 }
  const answers = await Promise.allSettled([client.set({ ...ref, values: {} }, options), client.get(ref, options)])
  for (const answer of answers) {
    if (answer.status === "fulfilled") assert.fail("there is no server that could have answered")
    const error = ConnectError.from(answer.reason)
    assert.strictEqual(error.code, Code.Unavailable, error.message)
    assert.notMatch(error.message, /ECONN|127\.0\.0\.1|socket/i)
  }
}

/** Waits until `/readyz` answers this status and names the store. */
const readiness = async ({ ops }: GatewayProcess, status: number, store: string): Promise<void> => {
  while (true) {
    const answer = await fetch(`${ops}/readyz`)
    const text = await answer.text()
    if (answer.status === status && text.includes(store)) return
    await sleep(50)
  }
}

/** Readers that read many entities in a loop until they are stopped. Collects the failures of their calls. */
const startReaders = (urls: ReadonlyArray<string>, readers: number) => {
  const clients = urls.map((baseUrl) => createClient(EntityService, createGrpcTransport({ baseUrl })))
  const failures: Array<string> = []
  let isStopped = false
  let reads = 0
  const read = async (reader: number) => {
    while (!isStopped) {
      const key = { domain: `faults-${reader % 16}`, type: "t", key: "k" }
      const asked = clients[reader % clients.length]!.get(key, { timeoutMs: 20_000 })
      const code = await asked.then(
        () => Code.NotFound,
        (cause: unknown) => ConnectError.from(cause).code
      )
      if (code === Code.NotFound) reads += 1
      // Refused at once, with nothing of it done, is what a gateway may say that has no connection to spare.
      else if (code !== Code.Unavailable && code !== Code.ResourceExhausted) failures.push(Code[code])
    }
  }
  const reading = Array.from({ length: readers }, (_, i) => read(i))
  const stop = async () => {
    isStopped = true
    await Promise.all(reading)
    return { failures, reads }
  }
  return { stop }
}
