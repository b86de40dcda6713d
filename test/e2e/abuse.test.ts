import { readFileSync } from "node:fs"
import { connect } from "node:net"
import { assert, test } from "vitest"
import { startGateway } from "../support/process.ts"

// A client that asks for much and reads nothing: what the gateway holds for it stays bounded, and others are served.

const rssBytes = (pid: number) => {
  const line = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))
  return Number(line![1]) * 1024
}

test.skipIf(process.platform !== "linux")("a thousand pipelined requests whose answers nobody reads", async () => {
  const gateway = await startGateway()
  try {
    const path = "/api/entity/ref/abuse/t/large"
    const body = JSON.stringify({ values: { a: "x".repeat(1_000_000) } })
    const headers = { "content-type": "application/json" }
    assert.strictEqual((await fetch(gateway.url + path, { method: "POST", headers, body })).status, 200)
    const before = rssBytes(gateway.pid)
    const sockets = [0, 1].map(() => {
      const socket = connect(Number(new URL(gateway.url).port), "127.0.0.1").on("error", () => {})
      socket.pause().write(`GET ${path} HTTP/1.1\r\nhost: localhost\r\n\r\n`.repeat(1_000))
      return socket
    })
    for (let asked = 0; asked < 20; asked++) {
      assert.strictEqual((await fetch(`${gateway.url}/livez`)).status, 200)
      await new Promise((resolve) => setTimeout(resolve, 100))
      assert.isBelow(rssBytes(gateway.pid) - before, 1.5 * 268_435_456)
    }
    for (const socket of sockets) socket.destroy()
  } finally {
    await gateway.stop()
  }
})
