import { setTimeout as sleep } from "node:timers/promises"
import { type Client, createClient } from "@connectrpc/connect"
import { createGrpcTransport } from "@connectrpc/connect-node"
import { afterAll, assert, beforeAll, test } from "vitest"
import { EntityService, type Event, EventService } from "../../proto/gen/stategate/stategate_pb.js"
import { freePort, type GatewayProcess, startGateway, temporaryFolder } from "../support/process.ts"

// Writers write and a stream reads while the gateway is killed with SIGKILL, again and again. Then the log must hold
// every write that was acknowledged, once, and the stream must have seen exactly the log.

const rounds = Number(process.env["STATEGATE_TEST_KILLS"] ?? 50)
const roundMsMax = 10_000
const writers = 8

let folder: ReturnType<typeof temporaryFolder>
let gateway: GatewayProcess | undefined
beforeAll(() => {
  folder = temporaryFolder()
})
afterAll(async () => {
  await gateway?.stop("SIGKILL")
  folder.remove()
})

interface Acked {
  readonly key: string
  readonly eventId: string
  readonly position: bigint
}

test(`${rounds} rounds of kill -9 lose no acknowledged write and repeat no event`, {
  timeout: 60_000 + rounds * roundMsMax
}, async () => {
  const port = await freePort()
  const env = {
    STATEGATE_PORT: String(port),
    STATEGATE_STORAGE_PROVIDER: JSON.stringify({ name: "sqlite", path: `${folder.path}/stategate.db` })
  }
  const transport = () => createGrpcTransport({ baseUrl: `http://127.0.0.1:${port}` })
  const acked: Array<Acked> = []
  const streamed: Array<Event> = []
  let cursor = ""
  let written = 0

  const write = async (client: Client<typeof EntityService>, stopped: AbortSignal) => {
    while (!stopped.aborted) {
      const key = `key-${written++}`
      const values = { n: written }
      let receipt: Headers | undefined
      try {
        await client.set({ domain: "kill", type: "row", key, values }, { onHeader: (header) => (receipt = header) })
      } catch {
        return
      }
      const id = receipt?.get("stategate-event-id") ?? ""
      acked.push({ key, eventId: id, position: BigInt(receipt?.get("stategate-position") ?? 0) })
    }
  }

  const follow = async (client: Client<typeof EventService>, signal: AbortSignal) => {
    const start =
      cursor === "" ? { case: "beginning" as const, value: true } : { case: "after" as const, value: cursor }
    try {
      for await (const event of client.stream({ domain: "kill", type: "*", start }, { signal })) {
        streamed.push(event)
        cursor = event.cursor
      }
    } catch {
      // Cut off, as it should be; the next round goes on behind the last event that came.
    }
  }

  for (let round = 0; round < rounds; round++) {
    gateway = await startGateway(env)
    const stopped = new AbortController()
    const entities = createClient(EntityService, transport())
    const events = createClient(EventService, transport())
    const before = acked.length
    const following = follow(events, stopped.signal)
    const writing = Array.from({ length: writers }, () => write(entities, stopped.signal))
    // Killed at no particular moment, but not before there was something to lose.
    while (acked.length < before + 20) await sleep(1)
    await sleep(Math.random() * 40)
    await gateway.stop("SIGKILL")
    stopped.abort()
    await Promise.all([...writing, following])
  }

  gateway = await startGateway(env)
  const log: Array<Event> = []
  const head = createClient(EventService, transport())
  const newest = await head.search({ domain: "kill", type: "row", limit: 1, sort: { field: "", reverse: true } })
  const last = newest.events[0]!.position
  for await (const event of head.stream({ domain: "kill", type: "*", start: { case: "beginning", value: true } })) {
    log.push(event)
    if (event.position === last) break
  }
  assert.deepStrictEqual(
    log.map(({ position }) => position),
    log.map((_, i) => BigInt(i + 1)),
    "positions have no gap and no repeat"
  )
  const places = new Map(log.map(({ id, entity, position }) => [id, { key: entity?.key, position }]))
  for (const { key, eventId, position } of acked) {
    assert.deepStrictEqual(places.get(eventId), { key, position }, `the acknowledged write of ${key} is in the log`)
  }
  if (streamed.at(-1)?.position !== last) {
    const start = { case: "after" as const, value: cursor }
    for await (const event of head.stream({ domain: "kill", type: "*", start })) {
      streamed.push(event)
      if (event.position === last) break
    }
  }
  assert.deepStrictEqual(
    streamed.map(({ id }) => id),
    log.map(({ id }) => id),
    "the stream, resumed after each kill, saw each event once"
  )
  assert.isAtLeast(acked.length, rounds * 20)
  const { code } = await gateway.stop()
  assert.strictEqual(code, 0)
})
