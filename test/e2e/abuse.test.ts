import { once } from "node:events"
import { readFileSync } from "node:fs"
import { connect } from "node:net"
import { assert, test } from "vitest"
import { frame, preface, settings } from "../../packages/http2/test/clients.ts"
import { startGateway } from "../support/process.ts"

/** Asks for two seconds: others are served, and memory grows by no more than one and a half times the budget. */
const staysServed = async (gateway: { readonly url: string; readonly pid: number }, before: number): Promise<void> => {
  for (let asked = 0; asked < 20; asked++) {
    assert.strictEqual((await fetch(`${gateway.url}/livez`)).status, 200)
    await new Promise((resolve) => setTimeout(resolve, 100))
    assert.isBelow(rssBytes(gateway.pid) - before, 1.5 * 268_435_456)
  }
}

const largePath = "/api/entity/ref/abuse/t/large"

/** Stores an entity of 1 MB at `largePath`. */
const setLarge = async (url: string): Promise<void> => {
  const body = JSON.stringify({ values: { a: "x".repeat(1_000_000) } })
  const headers = { "content-type": "application/json" }
  assert.strictEqual((await fetch(url + largePath, { method: "POST", headers, body })).status, 200)
}

// A client that asks for much and reads nothing: what the gateway holds for it stays bounded, and others are served.

const rssBytes = (pid: number) => {
  const line = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))
  return Number(line![1]) * 1024
}

test.skipIf(process.platform !== "linux")("a thousand pipelined requests whose answers nobody reads", async () => {
  const gateway = await startGateway()
  try {
    await setLarge(gateway.url)
    const before = rssBytes(gateway.pid)
    const sockets = [0, 1].map(() => {
      const socket = connect(Number(new URL(gateway.url).port), "127.0.0.1").on("error", () => {})
      socket.pause().write(`GET ${largePath} HTTP/1.1\r\nhost: localhost\r\n\r\n`.repeat(1_000))
      return socket
    })
    await staysServed(gateway, before)
    for (const socket of sockets) socket.destroy()
  } finally {
    await gateway.stop()
  }
})

const onLinux = test.skipIf(process.platform !== "linux")

/** `GET` of this path over HTTP/2, with nothing taken from a table that the peer would have to know. */
const getOf = (stream: number, path: string) =>
  frame(
    1,
    5,
    stream,
    Buffer.concat([
      Buffer.from([0x82, 0x86, 0x04, path.length]),
      Buffer.from(path),
      Buffer.from([0x41, 9]),
      Buffer.from("localhost")
    ])
  )

onLinux("answers over HTTP/2 for which their clients give no window", async () => {
  const gateway = await startGateway()
  try {
    await setLarge(gateway.url)
    const before = rssBytes(gateway.pid)
    const noWindow = frame(4, 0, 0, Buffer.from([0, 4, 0, 0, 0, 0]))
    const gets = Array.from({ length: 250 }, (_, i) => getOf(2 * i + 1, largePath))
    const sockets = Array.from({ length: 6 }, () => {
      const socket = connect(Number(new URL(gateway.url).port), "127.0.0.1").on("error", () => {})
      socket.resume().write(Buffer.concat([Buffer.from(preface), settings, noWindow, ...gets]))
      return socket
    })
    await staysServed(gateway, before)
    for (const socket of sockets) socket.destroy()
  } finally {
    await gateway.stop()
  }
})

/** Connections to this port whose clients have closed them, and the gateway has not (CLOSE_WAIT, state 08). */
const waitingForClose = (port: number): number => {
  const local = `:${port.toString(16).toUpperCase().padStart(4, "0")}`
  const lines = readFileSync("/proc/net/tcp", "utf8").trim().split("\n").slice(1)
  return lines.filter((line) => {
    const [, address, , state] = line.trim().split(/\s+/)
    return address?.endsWith(local) === true && state === "08"
  }).length
}

onLinux(
  "connections that their clients close are closed here too, whatever came of them",
  async () => {
    const gateway = await startGateway()
    try {
      const port = Number(new URL(gateway.url).port)
      const ask = "GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n"
      const stream = "GET /api/events/stream?domain=abuse&type=* HTTP/1.1\r\nhost: localhost\r\n\r\n"
      const kinds = [
        "",
        "GET /livez HTTP/1.1\r\nho",
        ask,
        ask + ask,
        "POST /api/entity/ref/abuse/t/k HTTP/1.1\r\nhost: localhost\r\ncontent-length: 10\r\n\r\nhalf",
        stream,
        preface,
        Buffer.concat([Buffer.from(preface), settings]),
        Buffer.concat([Buffer.from(preface), settings, getOf(1, "/livez")])
      ]
      const clients = kinds.flatMap((said) =>
        Array.from({ length: 10 }, () => {
          const socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true }).on("error", () => {})
          if (said.length > 0) socket.resume().write(said)
          return { said, socket }
        })
      )
      // A client that closes its side before the answer begins may still want it.
      const begun = ({ socket }: (typeof clients)[number]) => socket.bytesRead > 0 || once(socket, "data")
      await Promise.all(clients.filter(({ said }) => said === stream).map(begun))
      for (const { socket } of clients) socket.end()
      await new Promise((resolve) => setTimeout(resolve, 100))
      while (waitingForClose(port) > 0) await new Promise((resolve) => setTimeout(resolve, 50))
      assert.strictEqual((await fetch(`${gateway.url}/livez`)).status, 200)
      for (const { socket } of clients) socket.destroy()
    } finally {
      await gateway.stop()
    }
  },
  30_000
)
