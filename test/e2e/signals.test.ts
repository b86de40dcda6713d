import { spawn } from "node:child_process"
import { readdirSync, readFileSync, readlinkSync } from "node:fs"
import { setTimeout as sleep } from "node:timers/promises"
import { createGrpcTransport } from "@connectrpc/connect-node"
import { afterEach, assert, describe, test } from "vitest"
import { need, program } from "../support/need.ts"
import { environment, freePort, type GatewayProcess, runtimes, serving, spawnGateway } from "../support/process.ts"
import { type EventStream, refusal, take, within } from "./clients/client.ts"
import { connectClient } from "./clients/connect.ts"
import { halfCall } from "./clients/raw.ts"

// What each signal does to a gateway with an open stream and a call under way.

const started: Array<GatewayProcess> = []
afterEach(async () => {
  await Promise.all(started.splice(0).map((gateway) => gateway.stop("SIGKILL")))
})

const busyGateway = async (runtime: string) => {
  const gateway = await serving(spawnGateway({}, { runtime }))
  started.push(gateway)
  const client = connectClient(createGrpcTransport({ baseUrl: gateway.url }))
  const set = (key: string) => client.call("EntityService/Set", { domain: "d", type: "t", key, values: {} })
  const stream = await client.stream({ domain: "d", type: "*" })
  await set("first")
  await take(stream, 1)
  const call = await halfCall(gateway.url, "/api/entity/ref/d/t/under-way", JSON.stringify({ values: { n: 1 } }))
  return { gateway, stream, set, call }
}

const readToEnd = async (stream: EventStream) => {
  while ((await stream.next()) !== undefined);
}

/** How many sockets a process listens on. Linux alone tells. */
const listeners = (pid: number): number => {
  const open = readdirSync(`/proc/${pid}/fd`).map((fd) => {
    try {
      return readlinkSync(`/proc/${pid}/fd/${fd}`)
    } catch {
      return ""
    }
  })
  const listening = ["tcp", "tcp6"]
    .flatMap((file) => readFileSync(`/proc/${pid}/net/${file}`, "utf8").trimEnd().split("\n").slice(1))
    .map((row) => row.trim().split(/\s+/))
    .filter(([, , , state]) => state === "0A")
  return listening.filter((row) => open.includes(`socket:[${row[9]}]`)).length
}

const script = need("the program script", { enable: "apt-get install bsdutils", found: program("script") })

test("a terminal that is closed: the gateway that npm runs in it drains", script.options, async () => {
  const port = await freePort()
  const env = environment({ STATEGATE_PORT: String(port) })
  const terminal = spawn(script.found!, ["-qec", "npm start", "/dev/null"], { env, stdio: "ignore" })
  const url = `http://127.0.0.1:${port}`
  const isLive = () =>
    fetch(`${url}/livez`).then(
      ({ ok }) => ok,
      () => false
    )
  let stream: EventStream
  try {
    while (!(await isLive())) {
      assert.isNull(terminal.exitCode, "npm ended before the gateway served")
      await sleep(50)
    }
    stream = await connectClient(createGrpcTransport({ baseUrl: url })).stream({ domain: "d", type: "*" })
  } finally {
    // It holds the other side of the terminal.
    terminal.kill("SIGKILL")
  }
  const end = await refusal(within(readToEnd(stream), "the end of the stream"))
  assert.strictEqual(end.code, "UNAVAILABLE")
  while (await isLive()) await sleep(50)
})

for (const [name, runtime] of Object.entries(runtimes)) {
  describe(name, () => {
    for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) {
      test(`${signal}: the stream is told to reconnect, the call is answered, and the gateway ends with 0`, async () => {
        const { gateway, stream, call } = await busyGateway(runtime)
        const ended = gateway.stop(signal)
        const end = await refusal(within(readToEnd(stream), "the end of the stream"))
        assert.strictEqual(end.code, "UNAVAILABLE")
        assert.match(await within(call.finish(), "the answer to the call"), /^HTTP\/1.1 200 OK\r\n/)
        assert.deepStrictEqual(await within(ended, "the end of the gateway"), { code: 0, signal: null })
        await gateway.logged
        assert.isTrue(gateway.log.some(({ msg }) => String(msg).startsWith(`${signal}: draining`)))
        assert.strictEqual(gateway.log.at(-1)?.["msg"], "stopped")
      })
    }

    for (const signal of ["SIGUSR1", "SIGUSR2"] as const) {
      test(`${signal}: nothing happens, and no debugger listens`, async () => {
        const { gateway, stream, set, call } = await busyGateway(runtime)
        const before = process.platform === "linux" ? listeners(gateway.pid) : undefined
        process.kill(gateway.pid, signal)
        // A debugger would come up meanwhile.
        for (let n = 0; n < 10; n++) {
          await set(`after-${n}`)
          await sleep(50)
        }
        await take(stream, 10)
        if (before !== undefined) assert.deepStrictEqual([before, listeners(gateway.pid)], [2, 2])
        assert.strictEqual(gateway.stderr(), "")
        stream.close()
        // The connection is closed only by a gateway that drains.
        const ended = gateway.stop()
        assert.match(await within(call.finish(), "the answer to the call"), /^HTTP\/1.1 200 OK\r\n/)
        assert.deepStrictEqual(await within(ended, "the end of the gateway"), { code: 0, signal: null })
      })
    }

    test("a second SIGHUP ends a gateway that drains at once, with 129", async () => {
      const { gateway } = await busyGateway(runtime)
      const ended = gateway.stop("SIGHUP")
      // More than once: what follows at the heels of the first counts as its echo.
      const insisting = setInterval(() => void gateway.stop("SIGHUP"), 100)
      try {
        assert.deepStrictEqual(await within(ended, "the end of the gateway"), { code: 129, signal: null })
      } finally {
        clearInterval(insisting)
      }
    })
  })
}
