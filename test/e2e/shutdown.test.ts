import { once } from "node:events"
import { createServer } from "node:net"
import { setTimeout as sleep } from "node:timers/promises"
import { createGrpcTransport } from "@connectrpc/connect-node"
import { afterEach, assert, beforeEach, describe, test } from "vitest"
import { freePort, type GatewayProcess, npmStart, serving, startGateway, temporaryFolder } from "../support/process.ts"
import { type EventStream, refusal, type StateClient, take, within } from "./clients/client.ts"
import { connectClient } from "./clients/connect.ts"
import { halfCall } from "./clients/raw.ts"
import { restClient } from "./clients/rest.ts"

// What SIGTERM does to a gateway in the middle of its work. It is how every deployment begins, so nobody may notice.

let folder: ReturnType<typeof temporaryFolder>
const started: Array<GatewayProcess> = []
beforeEach(() => {
  folder = temporaryFolder()
})
afterEach(async () => {
  await Promise.all(started.splice(0).map((gateway) => gateway.stop("SIGKILL")))
  folder.remove()
})

const start = async (env: Record<string, string>, by = startGateway): Promise<GatewayProcess> => {
  const provider = JSON.stringify({ name: "sqlite", path: `${folder.path}/stategate.db` })
  const gateway = await by({ STATEGATE_STORAGE_PROVIDER: provider, ...env })
  started.push(gateway)
  return gateway
}

const grpcClient = (baseUrl: string) => connectClient(createGrpcTransport({ baseUrl }))
const draining = ({ msg }: Record<string, unknown>) => /^SIG(TERM|INT): draining/.test(String(msg))

/** Writes until it is refused, and tells which keys were acknowledged. */
const writeUntilRefused = async (client: StateClient, name: string): Promise<ReadonlyArray<string>> => {
  const acked: Array<string> = []
  for (let n = 0; ; n++) {
    const key = `${name}-${n}`
    try {
      await client.call("EntityService/Set", { domain: "d", type: "t", key, values: { n } })
    } catch {
      return acked
    }
    acked.push(key)
  }
}

const readToEnd = async (stream: EventStream) => {
  while ((await stream.next()) !== undefined);
}

/** Fails if somebody still listens there. */
const assertFree = async (port: number) => {
  const server = createServer().listen(port, "127.0.0.1")
  await once(server, "listening")
  server.close()
  await once(server, "close")
}

test("SIGTERM: calls finish, streams are told to reconnect, and all that was acknowledged is there", async () => {
  const port = await freePort()
  const gateway = await start({ STATEGATE_PORT: String(port) })
  const grpc = grpcClient(gateway.url)
  const sse = restClient(gateway.url, { accept: "text/event-stream" })
  const all = { domain: "d", type: "*" }
  const streams = { grpc: await grpc.stream(all), sse: await sse.stream(all) }
  await grpc.call("EntityService/Set", { ...all, type: "t", key: "first", values: {} })
  for (const stream of Object.values(streams)) await take(stream, 1)
  const writing = [grpc, restClient(gateway.url)].map((client, i) => writeUntilRefused(client, `writer-${i}`))
  const inFlight = await halfCall(gateway.url, "/api/entity/ref/d/t/in-flight", JSON.stringify({ values: { n: 1 } }))

  const stopping = gateway.stop()
  await within(gateway.line(draining), "the log line that says it drains")

  const told = await refusal(within(readToEnd(streams.grpc), "the end of the stream over gRPC"))
  assert.strictEqual(told.code, "UNAVAILABLE")
  assert.include(told.message, "open the stream again with its last cursor")
  // Without an error, so that a browser reconnects: it takes this for a connection that was lost.
  await within(readToEnd(streams.sse), "the end of the server-sent events")

  const answer = await within(inFlight.finish(), "the answer to the call that was under way")
  assert.match(answer, /^HTTP\/1.1 200 OK\r\n/)
  assert.match(answer, /^stategate-version: 1\r$/m)
  assert.match(answer, /^connection: close\r$/im)
  const acked = (await within(Promise.all(writing), "the end of the writers")).flat()

  assert.deepStrictEqual(await within(stopping, "the end of the gateway"), { code: 0, signal: null })
  await gateway.logged
  assert.strictEqual(gateway.log.at(-1)?.["msg"], "stopped")
  // Nothing of this is an error: all streams of all gateways end like this with each deployment.
  const drained = gateway.log.filter((line) => line["drained"] === true)
  assert.sameMembers(
    drained.map(({ protocol, code, level }) => `${protocol} ${code} ${level}`),
    ["grpc ok info", "sse ok info"]
  )
  assert.deepStrictEqual(
    gateway.log.filter(({ level, method }) => level === "error" && /Stream$/.test(String(method))),
    []
  )
  await assertFree(port)

  const next = await start({ STATEGATE_PORT: String(port) })
  assert.strictEqual(next.url, gateway.url)
  const again = restClient(next.url)
  assert.isAbove(acked.length, 0)
  for (const key of [...acked, "in-flight"]) await again.call("EntityService/Get", { ...all, type: "t", key })
})

test("what is left after the grace is cut, and the gateway ends well", async () => {
  const gateway = await start({ STATEGATE_SHUTDOWN_GRACE: "300ms" })
  const stuck = await halfCall(gateway.url, "/api/entity/ref/d/t/stuck", JSON.stringify({ values: {} }))
  assert.deepStrictEqual(await within(gateway.stop(), "the end of the gateway"), { code: 0, signal: null })
  assert.strictEqual(await within(stuck.closed, "the end of the connection"), "")
})

test("a second signal ends it at once, whichever came first", async () => {
  const gateway = await start({ STATEGATE_SHUTDOWN_GRACE: "10m" })
  await halfCall(gateway.url, "/api/entity/ref/d/t/stuck", JSON.stringify({ values: {} }))
  const ended = gateway.stop("SIGINT")
  await within(gateway.line(draining), "the log line that says it drains")
  // More than once: what follows at the heels of the first counts as its echo.
  const insisting = setInterval(() => void gateway.stop("SIGTERM"), 100)
  try {
    assert.deepStrictEqual(await within(ended, "the end of the gateway"), { code: 143, signal: null })
  } finally {
    clearInterval(insisting)
  }
})

/** Whether a process of the group is left; its members are reaped one after the other. */
const groupIsGone = async (pid: number) => {
  for (let tries = 0; tries < 500; tries++) {
    try {
      process.kill(-pid, 0)
    } catch {
      return true
    }
    await sleep(10)
  }
  return false
}

describe("npm start", () => {
  const groups: Array<number> = []
  afterEach(() => {
    for (const pid of groups.splice(0)) {
      try {
        process.kill(-pid, "SIGKILL")
      } catch {
        // Gone, as it should be.
      }
    }
  })
  const npm = async (env: Record<string, string>) => {
    const gateway = await start(env, (all = {}) => serving(npmStart(all)))
    groups.push(gateway.pid)
    return gateway
  }

  test("SIGTERM to npm: nothing is left of it, and nothing is lost", async () => {
    const port = await freePort()
    const gateway = await npm({ STATEGATE_PORT: String(port) })
    const client = grpcClient(gateway.url)
    const stream = await client.stream({ domain: "d", type: "*" })
    const writing = writeUntilRefused(client, "npm")
    await take(stream, 3)
    // Read on: a stream that its client does not read is waited for until the grace is over.
    const told = refusal(readToEnd(stream))
    const ended = await within(gateway.stop(), "the end of npm")
    assert.deepStrictEqual(ended, { code: 0, signal: null })
    assert.strictEqual((await told).code, "UNAVAILABLE")
    assert.isTrue(await groupIsGone(gateway.pid), "a process of the group outlived npm")
    await assertFree(port)

    const acked = await writing
    const again = restClient((await start({})).url)
    for (const key of acked) await again.call("EntityService/Get", { domain: "d", type: "t", key })
  })

  test("Ctrl-C reaches the gateway from the terminal and from npm, and still lets calls finish", async () => {
    const gateway = await npm({})
    const inFlight = await halfCall(gateway.url, "/api/entity/ref/d/t/k", JSON.stringify({ values: {} }))
    process.kill(-gateway.pid, "SIGINT")
    await within(gateway.line(draining), "the log line that says it drains")
    await sleep(100)
    const answer = await within(inFlight.finish(), "the answer to the call that was under way")
    assert.match(answer, /^HTTP\/1.1 200 OK\r\n/)
    await within(gateway.logged, "the end of npm")
    assert.strictEqual(gateway.log.at(-1)?.["msg"], "stopped")
    assert.isTrue(await groupIsGone(gateway.pid), "a process of the group outlived npm")
  })
})
