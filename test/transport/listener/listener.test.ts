import type { ServerResponse } from "node:http"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { ListenFailed } from "../../../adapters/transport/listener/listen.ts"
import { call, echo, http1, preface, serve, session, settings, wire } from "./clients.ts"

describe("one port without TLS", () => {
  it.live("serves HTTP/1.1, many requests on one connection", () =>
    Effect.gen(function* () {
      const { port } = yield* serve(echo)
      const client = yield* wire(port)
      client.send(http1("POST", "/a", { "content-length": "3" }, "one"))
      yield* client.expect("1.1 POST /a one")
      client.send(http1("GET", "/b"))
      yield* client.expect("1.1 GET /b ")
    })
  )

  it.live("serves HTTP/2 with prior knowledge, many requests on one connection", () =>
    Effect.gen(function* () {
      const { url } = yield* serve(echo)
      const client = yield* session(url)
      const answers = yield* Effect.all(
        ["one", "two", "three"].map((body) => call(client, { ":method": "POST" }, (stream) => stream.end(body))),
        { concurrency: "unbounded" }
      )
      assert.deepStrictEqual(
        answers.map((answer) => answer.body),
        ["2.0 POST / one", "2.0 POST / two", "2.0 POST / three"]
      )
    })
  )

  it.live("waits for the rest of a preface that drips in byte by byte", () =>
    Effect.gen(function* () {
      const { port } = yield* serve(echo)
      const client = yield* wire(port)
      for (const byte of preface) {
        client.send(byte)
        yield* Effect.sleep(1)
      }
      client.send(settings)
      // An empty SETTINGS frame with ACK.
      yield* client.expect("\0\0\0\x04\x01\0\0\0\0")
    })
  )

  it.live("knows a request that begins like the preface, in two pieces", () =>
    Effect.gen(function* () {
      const { port } = yield* serve(echo)
      const client = yield* wire(port)
      client.send("P")
      yield* Effect.sleep(5)
      client.send(http1("POST", "/", { "content-length": "2" }, "hi").slice(1))
      yield* client.expect("1.1 POST / hi")
    })
  )

  it.live("closes a client that stalls within the preface", () =>
    Effect.gen(function* () {
      const { port } = yield* serve(echo, { limits: { firstBytesMsMax: 50 } })
      const client = yield* wire(port)
      client.send("PRI")
      assert.strictEqual(yield* client.closed, "")
    })
  )

  it.live("closes a client that says nothing, and one that hangs up while it is listened to", () =>
    Effect.gen(function* () {
      const { port } = yield* serve(echo, { limits: { firstBytesMsMax: 50 } })
      const silent = yield* wire(port)
      const gone = yield* wire(port)
      gone.send("PR")
      gone.socket.end()
      assert.strictEqual(yield* gone.closed, "")
      assert.strictEqual(yield* silent.closed, "")
    })
  )

  it.live("answers garbage with 400", () =>
    Effect.gen(function* () {
      const { port } = yield* serve(echo)
      for (const garbage of ["\x16\x03\x01\x02\0\x01\0\x01\xfc", "hello\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n"]) {
        const client = yield* wire(port)
        client.send(Buffer.from(garbage, "latin1"))
        assert.match(yield* client.closed, /^HTTP\/1\.1 400 /)
      }
    })
  )

  it.live("ignores an upgrade to h2c, and answers in HTTP/1.1", () =>
    Effect.gen(function* () {
      const { port } = yield* serve(echo)
      const client = yield* wire(port)
      const upgrade = {
        connection: "upgrade, http2-settings",
        upgrade: "h2c",
        "http2-settings": "AAMAAABkAAQAoAAAAAIAAAAA"
      }
      client.send(http1("GET", "/", upgrade))
      assert.match(yield* client.expect("1.1 GET / "), /^HTTP\/1\.1 200 /)
    })
  )

  it.live("refuses CONNECT with 405 on both protocols", () =>
    Effect.gen(function* () {
      const { port, url } = yield* serve(echo)
      const client = yield* wire(port)
      client.send("CONNECT example.com:443 HTTP/1.1\r\nhost: example.com\r\n\r\n")
      assert.match(yield* client.closed, /^HTTP\/1\.1 405 /)
      const stream = (yield* session(url)).request({ ":method": "CONNECT", ":authority": "example.com:443" })
      const status = yield* Effect.callback<number | undefined>((resume) => {
        stream.on("response", (headers) => resume(Effect.succeed(headers[":status"])))
      })
      assert.strictEqual(status, 405)
    })
  )

  it.live("asks for the body of a request that expects 100-continue, and refuses other expectations", () =>
    Effect.gen(function* () {
      const { port } = yield* serve(echo)
      const client = yield* wire(port)
      client.send(http1("POST", "/", { expect: "100-continue", "content-length": "2" }))
      yield* client.expect("HTTP/1.1 100 Continue\r\n\r\n")
      client.send("hi")
      yield* client.expect("1.1 POST / hi")
      client.send(http1("GET", "/", { expect: "miracles" }))
      yield* client.expect("HTTP/1.1 417 ")
    })
  )
})

describe("faults", () => {
  it.live("answers 500 when a handler throws, and goes on", () =>
    Effect.gen(function* () {
      const { port, url } = yield* serve((request, response) => {
        if (request.url === "/bad") throw new Error("on purpose")
        echo(request, response)
      })
      const client = yield* wire(port)
      client.send(http1("GET", "/bad"))
      yield* client.expect("HTTP/1.1 500 ")
      client.send(http1("GET", "/good"))
      yield* client.expect("1.1 GET /good ")
      const over = yield* session(url)
      assert.strictEqual((yield* call(over, { ":path": "/bad" })).status, 500)
      assert.strictEqual((yield* call(over, { ":path": "/good" })).status, 200)
    })
  )

  it.live("survives a storm of resets at every stage", () =>
    Effect.gen(function* () {
      const { port, url } = yield* serve((request, response) => {
        response.statusCode = 200
        const writing = setInterval(() => (response as ServerResponse).write(Buffer.alloc(65_536)), 1)
        response.once("close", () => clearInterval(writing))
        request.resume()
      })
      const openings = [
        "",
        "P",
        preface,
        `${preface}\0\0`,
        http1("GET", "/"),
        http1("POST", "/", { "content-length": "9" }, "x")
      ]
      yield* Effect.forEach(
        Array.from({ length: 120 }, (_, index) => openings[index % openings.length]!),
        (opening) =>
          Effect.gen(function* () {
            const client = yield* wire(port)
            client.send(opening)
            yield* Effect.sleep(Math.random() * 20)
            client.socket.resetAndDestroy()
          }),
        { concurrency: 40 }
      )
      const over = yield* session(url)
      const answer = yield* call(over, {}, (stream) => {
        stream.end()
        stream.once("data", () => stream.close(8))
      })
      assert.strictEqual(answer.status, 200)
    })
  )

  it.live("says which address it cannot have, and what a certificate is not", () =>
    Effect.gen(function* () {
      const { port } = yield* serve(echo)
      const taken = yield* Effect.flip(serve(echo, { port }))
      assert.instanceOf(taken, ListenFailed)
      assert.strictEqual(taken.port, port)
      const bad = yield* Effect.flip(serve(echo, { tls: { cert: "no", key: "no" } }))
      assert.instanceOf(bad, ListenFailed)
    })
  )
})
