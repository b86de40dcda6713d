import { once } from "node:events"
import { setTimeout as sleep } from "node:timers/promises"
import { afterEach, assert, test } from "vitest"
import { logWaitingCharsMax } from "../../application/limits.ts"
import { type Fifo, openFifo } from "../support/fifo.ts"
import { freePort, runtimes, spawnGateway, temporaryFolder } from "../support/process.ts"
import { within } from "./clients/client.ts"
import { rawConnection } from "./clients/raw.ts"

// A gateway whose standard output is a pipe that nobody reads, with more calls than it could hold the lines of.

let clear = async () => {}
afterEach(() => clear())

const gatewayOn = async (runtime: string, fifo: Fifo) => {
  const port = await freePort()
  const opsPort = await freePort()
  const env = {
    STATEGATE_PORT: String(port),
    STATEGATE_METRICS_PORT: String(opsPort),
    NODE_OPTIONS: "--max-old-space-size=128"
  }
  const child = spawnGateway(env, { runtime, stdout: fifo.writer })
  fifo.closeWriter()
  const url = `http://127.0.0.1:${port}`
  const isLive = () =>
    fetch(`${url}/livez`).then(
      ({ ok }) => ok,
      () => false
    )
  while (!(await isLive())) {
    assert.isNull(child.exitCode, "the gateway ended before it served")
    await sleep(50)
  }
  return { child, url, ops: `http://127.0.0.1:${opsPort}` }
}

const name = "x".repeat(250)

/** Asks for entities that are not there, 50 at a time, on one connection. */
const askInVain = async (url: string, count: number) => {
  const { socket } = await rawConnection(url)
  socket.removeAllListeners("data")
  let answers = 0
  let rest = ""
  socket.on("data", (text: string) => {
    const received = rest + text
    answers += received.split("HTTP/1.1 404").length - 1
    rest = received.slice(-11)
  })
  const request = `GET /api/entity/ref/${name}/${name}/k HTTP/1.1\r\nhost: ${new URL(url).host}\r\n\r\n`
  for (let asked = 50; asked <= count; asked += 50) {
    socket.write(request.repeat(50))
    while (answers < asked) await once(socket, "data")
  }
  socket.destroy()
}

const metric = async (ops: string, wanted: string): Promise<number> => {
  const text = await (await fetch(`${ops}/metrics`)).text()
  return Number(
    text
      .split("\n")
      .find((line) => line.startsWith(`${wanted} `))
      ?.split(" ")[1]
  )
}

for (const [runtimeName, runtime] of Object.entries(runtimes)) {
  test(`on ${runtimeName}, it answers, holds no more than it may, and says later what it dropped`, async () => {
    const folder = temporaryFolder()
    const fifo = openFifo(`${folder.path}/log`)
    const { child, url, ops } = await gatewayOn(runtime, fifo)
    clear = async () => {
      child.kill("SIGKILL")
      fifo.close()
      folder.remove()
    }
    await askInVain(url, 5_000)
    assert.isAtMost(await metric(ops, "stategate_log_waiting_characters"), logWaitingCharsMax)
    const lost = await metric(ops, "stategate_log_lines_lost_total")
    assert.isAbove(lost, 1_000)

    const ended = once(child, "exit")
    const text = await fifo.read((text) => text.includes('"lost":') && child.kill("SIGTERM"))
    assert.deepStrictEqual(await within(ended, "the end of the gateway"), [0, null])
    const lines = text
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line))
    assert.isAtLeast(
      lines.reduce((sum, line) => sum + (line.lost ?? 0), 0),
      lost
    )
    assert.strictEqual(lines.at(-1).msg, "stopped")
  })
}
