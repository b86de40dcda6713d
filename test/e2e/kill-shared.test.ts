import { setTimeout as sleep } from "node:timers/promises"
import { createClient } from "@connectrpc/connect"
import { createGrpcTransport } from "@connectrpc/connect-node"
import { afterAll, assert, describe, test } from "vitest"
import { EntityService, type Event, EventService } from "../../proto/gen/stategate/stategate_pb.js"
import { ferretdb } from "../services/ferretdb.ts"
import { use } from "../services/service.ts"
import { type GatewayProcess, startGateway } from "../support/process.ts"

// Two gateways share a database without transactions, and one of them is killed with SIGKILL, again and again, in the
// middle of what it does. Callers try again elsewhere with the same idempotency key: each call is in the log once.

const rounds = Math.ceil(Number(process.env["STATEGATE_TEST_KILLS"] ?? 50) / 10)
/** FerretDB takes longer for a commit the more entities there are. */
const roundMsMax = 30_000
const writers = 6

const server = use(ferretdb)
const gateways: Array<GatewayProcess> = []
afterAll(async () => {
  for (const gateway of gateways) await gateway.stop("SIGKILL")
})

const clientsOf = ({ url }: GatewayProcess) => {
  const transport = createGrpcTransport({ baseUrl: url })
  return { entities: createClient(EntityService, transport), events: createClient(EventService, transport) }
}

describe("of two gateways on one database", server.options, () => {
  test(`one may be killed ${rounds} times, and no call is lost or done twice`, {
    timeout: 60_000 + rounds * roundMsMax
  }, async () => {
    const provider = JSON.stringify({ name: "mongo", ...server.fresh() })
    const start = async () => {
      const gateway = await startGateway({ STATEGATE_STORAGE_PROVIDER: provider })
      gateways.push(gateway)
      return gateway
    }
    const stays = clientsOf(await start())
    let goes = await start()

    const acked = new Map<string, bigint>()
    let isOver = false
    let calls = 0
    const write = async () => {
      while (!isOver) {
        const key = `call-${calls++}`
        // One counter for all, in which every lost update would be seen, and one entity for each call.
        const commands = ["counter", key].map((name) => ({
          do: { case: "edit" as const, value: { type: "row", key: name, values: { [key]: 1 } } }
        }))
        for (let attempt = 0; !acked.has(key); attempt++) {
          const { entities } = attempt % 2 === 0 ? clientsOf(goes) : stays
          try {
            let position = 0n
            const onHeader = (header: Headers) => {
              position = BigInt(header.get("stategate-position") ?? 0)
            }
            await entities.apply({ domain: "kill", commands }, { headers: { "idempotency-key": key }, onHeader })
            acked.set(key, position)
          } catch {
            await sleep(20)
          }
        }
      }
    }
    const streamed: Array<Event> = []
    const stopped = new AbortController()
    const follow = async () => {
      const from = { domain: "kill", type: "*", start: { case: "beginning" as const, value: true } }
      try {
        for await (const event of stays.events.stream(from, { signal: stopped.signal })) streamed.push(event)
      } catch (error) {
        if (!stopped.signal.aborted) throw error
      }
    }
    const following = follow()
    let isCut = false
    following.catch(() => {
      isCut = true
    })
    const writing = Array.from({ length: writers }, write)
    for (let round = 0; round < rounds; round++) {
      const before = acked.size
      while (acked.size < before + 20) await sleep(1)
      await sleep(Math.random() * 40)
      await goes.stop("SIGKILL")
      await sleep(Math.random() * 100)
      goes = await start()
    }
    isOver = true
    await Promise.all(writing)

    const last = [...acked.values()].reduce((most, position) => (position > most ? position : most), 0n)
    while ((streamed.at(-1)?.position ?? 0n) < last && !isCut) await sleep(10)
    stopped.abort()
    await following
    assert.deepStrictEqual(
      streamed.map(({ position }) => position),
      streamed.map((_, i) => BigInt(i + 1)),
      "positions have no gap and no repeat"
    )
    const made = new Map<string, Array<bigint>>()
    for (const { requestId, position } of streamed) made.set(requestId, [...(made.get(requestId) ?? []), position])
    assert.sameMembers([...made.keys()], [...acked.keys()])
    for (const [key, position] of acked)
      assert.deepStrictEqual(made.get(key), [position - 1n, position], "each call made its two events, once")
    const counter = await stays.entities.get({ domain: "kill", type: "row", key: "counter" })
    assert.strictEqual(counter.version, BigInt(acked.size), "no update of the counter was lost")
    assert.sameMembers(Object.keys(counter.values ?? {}), [...acked.keys()])
  })
})
