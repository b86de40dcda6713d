import { once } from "node:events"
import type { ServerResponse } from "node:http"
import { connect } from "node:net"
import { connect as connectTls } from "node:tls"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Queue } from "effect"
import { markEndless } from "../../../adapters/transport/http/endless.ts"
import type { Handler } from "../../../adapters/transport/listener/listen.ts"
import { openssl, testCertificates } from "../../support/certificate.ts"
import { echo, get, http1, preface, serve, settings, wire } from "./clients.ts"

/** A client that sends this, then that nothing more comes, and listens on: what it gets until the other side closes. */
const halfClosed = (port: number, ...said: ReadonlyArray<string | Uint8Array>) =>
  Effect.callback<string>((resume) => {
    const socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true })
    let received = ""
    socket
      .on("error", () => {})
      .on("data", (chunk) => {
        received += chunk.toString("latin1")
      })
      .on("end", () => resume(Effect.succeed(received)))
      .on("close", () => resume(Effect.succeed(received)))
    for (const part of said) socket.write(part)
    socket.end()
    return Effect.sync(() => socket.destroy())
  })

const answersLate: Handler = (request, response) => {
  request.resume()
  setTimeout(() => response.end(`${request.method} ${request.url} answered`), 50)
}

/** Asks until there is room for a connection. */
const untilServed = (port: number) =>
  Effect.gen(function* () {
    while (true) {
      const client = yield* wire(port)
      client.send(http1("GET", "/", { connection: "close" }))
      if ((yield* client.closed).includes("1.1 GET / ")) return
    }
  }).pipe(Effect.scoped)

describe("a client that says that nothing more comes", () => {
  it.live("gets the answers to what it asked", () =>
    Effect.gen(function* () {
      const { port } = yield* serve(answersLate)
      assert.include(yield* halfClosed(port, http1("GET", "/one")), "GET /one answered")
      const post = http1("POST", "/a", { "content-length": "2" }, "hi")
      const both = yield* halfClosed(port, post + http1("GET", "/b"))
      assert.match(both, /POST \/a answered[\s\S]*GET \/b answered/)
      const long = http1("GET", "/b", { "x-long": "a".repeat(1_000) })
      const many = yield* halfClosed(port, post + long.repeat(5) + http1("GET", "/c"))
      assert.match(many, /POST \/a answered[\s\S]*GET \/c answered/)
    })
  )

  it.live("gets an answer that is written in parts", () =>
    Effect.gen(function* () {
      const inParts: Handler = (_, response) => {
        response.write("the first part, ")
        setTimeout(() => response.write("the second part, "), 100)
        setTimeout(() => response.end("the end"), 200)
      }
      const { port } = yield* serve(inParts, { limits: { lateCheckMs: 10 } })
      const received = yield* halfClosed(port, http1("GET", "/"))
      assert.match(received, /the first part, [\s\S]*the second part, [\s\S]*the end/)
    })
  )

  it.live.skipIf(openssl.found === undefined)("gets the answers to what it asked, with TLS", () =>
    Effect.gen(function* () {
      const { ca, cert, key } = testCertificates()
      const { port } = yield* serve(answersLate, { tls: { cert, key } })
      const received = yield* Effect.promise(async () => {
        const socket = connectTls({ port, host: "127.0.0.1", ca, ...{ allowHalfOpen: true } })
        let text = ""
        socket
          .on("error", () => {})
          .on("data", (chunk: Buffer) => {
            text += chunk
          })
        await once(socket, "secureConnect")
        socket.end(http1("GET", "/one"))
        await once(socket, "close")
        return text
      })
      assert.include(received, "GET /one answered")
    })
  )

  const idle = {
    "before anything was asked": [],
    "in the middle of the preface": [preface.slice(0, 10)],
    "in the middle of its headers": ["GET / HTTP/1.1\r\nho"],
    "in the middle of a body": [http1("POST", "/", { "content-length": "10" }, "half")],
    "in the middle of a body behind another request": [
      http1("GET", "/") + http1("POST", "/", { "content-length": "10" }, "half")
    ],
    "after its last request": [http1("GET", "/") + http1("GET", "/")],
    "after the settings of HTTP/2": [preface, settings],
    "after its last stream": [preface, settings, get(1)],
    "in the middle of a stream": [preface, settings, get(1, { end: false })]
  }
  for (const [when, said] of Object.entries(idle)) {
    it.live(`is closed at once ${when}`, () =>
      Effect.gen(function* () {
        // Only one connection at a time: the next is not served before the one in question is gone on this side too.
        const { port } = yield* serve(echo, { limits: { connectionsMax: 1 } })
        yield* halfClosed(port, ...said)
        yield* untilServed(port)
      })
    )
    it.live(`is closed at once ${when}, also when it waits first`, () =>
      Effect.gen(function* () {
        const { port } = yield* serve(echo, { limits: { connectionsMax: 1 } })
        const client = yield* wire(port)
        client.send(...said)
        yield* Effect.sleep(50)
        client.socket.end()
        yield* untilServed(port)
      })
    )
  }

  it.live("in the middle of an answer without end has left", () =>
    Effect.gen(function* () {
      const closed = yield* Queue.unbounded<string>()
      const { port } = yield* serve((_, response) => {
        response.once("close", () => Queue.offerUnsafe(closed, "closed"))
        markEndless(response)
        response.write("it begins")
      })
      const client = yield* wire(port)
      client.send(http1("GET", "/"))
      yield* client.expect("it begins")
      client.socket.end()
      assert.strictEqual(yield* Queue.take(closed), "closed")
    })
  )
})

it.live("a client that breaks its connection ends its call before the answer", () =>
  Effect.gen(function* () {
    const events = yield* Queue.unbounded<string>()
    const { port } = yield* serve((request, response) => {
      request.resume()
      response.once("close", () => Queue.offerUnsafe(events, "closed"))
      Queue.offerUnsafe(events, "begun")
    })
    const client = yield* wire(port)
    client.send(http1("POST", "/", { "content-length": "2" }, "hi"))
    assert.strictEqual(yield* Queue.take(events), "begun")
    client.socket.resetAndDestroy()
    assert.strictEqual(yield* Queue.take(events), "closed")
  })
)

describe("a client that leaves before an answer without end begins", () => {
  for (const [how, begin] of [
    ["by its headers", (response: ServerResponse) => response.flushHeaders()],
    ["by its status", (response: ServerResponse) => response.writeHead(200, { "x-a": "b" })],
    ["by its body", (response: ServerResponse) => response.write("begun")]
  ] as const) {
    it.live(`is noticed at once when it begins ${how}`, () =>
      Effect.gen(function* () {
        const endless: Handler = (_, response) => {
          markEndless(response)
          setTimeout(() => begin(response), 50)
        }
        const { port } = yield* serve(endless, { limits: { lateCheckMs: 3_600_000 } })
        yield* halfClosed(port, http1("GET", "/"))
      })
    )
  }
})
