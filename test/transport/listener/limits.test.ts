import { assert, describe, it } from "@effect/vitest"
import { Effect, Queue } from "effect"
import { call, echo, frame, get, http1, ping, preface, reset, serve, session, settings, wire } from "./clients.ts"

describe("slow and large requests", () => {
  it.live("ends a request whose headers do not come to an end", () =>
    Effect.gen(function* () {
      const { port } = yield* serve(echo, { limits: { headersMsMax: 50, requestMsMax: 100, lateCheckMs: 10 } })
      const client = yield* wire(port)
      client.send("GET / HTTP/1.1\r\nhost: a\r\n")
      assert.match(yield* client.closed, /^HTTP\/1\.1 408 /)
    })
  )

  it.live("ends a request whose body does not come to an end, over HTTP/1.1", () =>
    Effect.gen(function* () {
      const { port } = yield* serve(echo, { limits: { headersMsMax: 50, requestMsMax: 100, lateCheckMs: 10 } })
      const client = yield* wire(port)
      client.send(http1("POST", "/", { "content-length": "10" }, "half"))
      assert.match(yield* client.closed, /^HTTP\/1\.1 408 /)
    })
  )

  it.live("ends a request whose body does not come to an end, over HTTP/2, and only that", () =>
    Effect.gen(function* () {
      const { url } = yield* serve(echo, { limits: { headersMsMax: 50, requestMsMax: 50 } })
      const over = yield* session(url)
      const late = yield* call(over, { ":method": "POST" }, (stream) => stream.write("half"))
      assert.deepStrictEqual([late.status, late.code], [undefined, 8])
      assert.strictEqual((yield* call(over)).status, 200)
    })
  )

  it.live("lets an answer last longer than a request may", () =>
    Effect.gen(function* () {
      const { url, port } = yield* serve(
        (request, response) => {
          request.resume()
          setTimeout(() => response.end("at last"), 200)
        },
        { limits: { headersMsMax: 20, requestMsMax: 40, lateCheckMs: 10, sessionIdleMs: 20 } }
      )
      assert.strictEqual((yield* call(yield* session(url))).body, "at last")
      const client = yield* wire(port)
      client.send(http1("POST", "/", { "content-length": "2" }, "hi"))
      yield* client.expect("at last")
    })
  )

  it.live("refuses headers that are too long or too many, and drops none of them in silence", () =>
    Effect.gen(function* () {
      const { port, url } = yield* serve(echo, { limits: { headerBytesMax: 4_096, headersMax: 20 } })
      const many = Object.fromEntries(Array.from({ length: 30 }, (_, index) => [`x-${index}`, "y"]))
      for (const headers of [{ long: "x".repeat(5_000) }, many]) {
        const client = yield* wire(port)
        client.send(http1("GET", "/", headers))
        assert.match(yield* client.closed, /^HTTP\/1\.1 431 /)
        const answer = yield* call(yield* session(url), headers)
        assert.notStrictEqual(answer.status, 200)
      }
      const client = yield* wire(port)
      client.send(http1("GET", "/"))
      yield* client.expect("1.1 GET / ")
    })
  )
})

describe("what HTTP/1.1 clients make the gateway hold", () => {
  it.live("is let go of when they do not read their answers", () =>
    Effect.gen(function* () {
      const closed = yield* Queue.unbounded<void>()
      const { port } = yield* serve(
        (request, response) => {
          if (request.url === "/small") return void setTimeout(() => response.end("small"), 200)
          response.once("close", () => Queue.offerUnsafe(closed, undefined))
          response.end(Buffer.alloc(20_000_000, "x"))
        },
        { limits: { unreadMsMax: 50, lateCheckMs: 10 } }
      )
      const client = yield* wire(port)
      client.socket.pause()
      client.send(http1("GET", "/large"))
      const other = yield* wire(port)
      other.send(http1("GET", "/small"))
      yield* Queue.take(closed)
      yield* other.expect("small")
    })
  )

  it.live("is bounded for all of them: those who hold most are cut", () =>
    Effect.gen(function* () {
      const { port } = yield* serve(echo, { limits: { sessionsHeldBytesMax: 100_000, lateCheckMs: 10 } })
      const small = yield* wire(port)
      small.send(http1("POST", "/", { "content-length": "6" }, "one"))
      const large = yield* wire(port)
      large.send(http1("POST", "/", { "content-length": "300000" }, "x".repeat(200_000)))
      yield* large.closed
      small.send("two")
      yield* small.expect("onetwo")
    })
  )
})

describe("idle and numerous connections", () => {
  it.live("closes idle ones of both protocols", () =>
    Effect.gen(function* () {
      const { port } = yield* serve(echo, { limits: { keepAliveMs: 20, lateCheckMs: 10, sessionIdleMs: 20 } })
      const one = yield* wire(port)
      one.send(http1("GET", "/"))
      yield* one.closed
      const two = yield* wire(port)
      two.send(preface, settings)
      yield* two.closed
    })
  )

  it.live("closes one connection too many, and takes the next when there is room", () =>
    Effect.gen(function* () {
      const { port } = yield* serve(echo, { limits: { connectionsMax: 1 } })
      const first = yield* wire(port)
      first.send(http1("GET", "/"))
      yield* first.expect("1.1 GET / ")
      yield* (yield* wire(port)).closed
      first.send(http1("GET", "/", { connection: "close" }))
      yield* first.closed
      const next = yield* wire(port)
      next.send(http1("GET", "/"))
      yield* next.expect("1.1 GET / ")
    })
  )
})

describe("floods over HTTP/2", () => {
  const calm = "\0\0\0\x0b"
  const opened = (limits: Record<string, number>) =>
    Effect.gen(function* () {
      let handled = 0
      const { port } = yield* serve(
        (request, response) => {
          handled++
          echo(request, response)
        },
        { limits }
      )
      const client = yield* wire(port)
      client.send(preface, settings)
      return { client, handled: () => handled }
    })

  it.live("ends a session that resets its streams over and over", () =>
    Effect.gen(function* () {
      const { client, handled } = yield* opened({ resetsPerWindowMax: 50 })
      for (let stream = 1; stream < 20_000; stream += 2) client.send(get(stream), reset(stream))
      yield* client.closed
      assert.isBelow(handled(), 3_000)
    })
  )

  it.live("ends a session that makes the server reset its streams over and over", () =>
    Effect.gen(function* () {
      const { client, handled } = yield* opened({ resetsPerWindowMax: 50 })
      // A window update by 0 is an error of the stream.
      const update = (stream: number) => frame(8, 0, stream, Buffer.alloc(4))
      for (let stream = 1; stream < 20_000; stream += 2) client.send(get(stream, { end: false }), update(stream))
      yield* client.closed
      assert.isBelow(handled(), 3_000)
    })
  )

  it.live("survives streams that are reset together with headers that are too large", () =>
    Effect.gen(function* () {
      const { client } = yield* opened({})
      for (let stream = 1; stream < 10; stream += 2) client.send(Buffer.concat([tooLarge(stream), reset(stream)]))
      client.send(get(11))
      yield* client.expect("2.0 GET / ")
    })
  )

  it.live("ends a session that floods pings or settings", () =>
    Effect.gen(function* () {
      for (const flood of [ping, settings]) {
        const { client } = yield* opened({ pingsPerWindowMax: 50, settingsPerWindowMax: 50 })
        for (let sent = 0; sent < 200; sent++) client.send(flood)
        assert.include(yield* client.closed, calm)
      }
    })
  )

  it.live("does not mind the pings with which clients measure what they are sent", () =>
    Effect.gen(function* () {
      const { client } = yield* opened({ pingsPerWindowMax: 50 })
      for (let sent = 0; sent < 200; sent++) {
        client.send(get(2 * sent + 1), ping)
        yield* client.expect("2.0 GET / ")
      }
      client.send(get(401))
      yield* client.expect("2.0 GET / ")
    })
  )

  it.live("does not mind calls that are cancelled now and then", () =>
    Effect.gen(function* () {
      const { client } = yield* opened({ resetsPerWindowMax: 50 })
      for (let stream = 1; stream < 80; stream += 2) client.send(get(stream), reset(stream))
      client.send(get(81))
      yield* client.expect("2.0 GET / ")
    })
  )

  it.live("bounds the streams of a session", () =>
    Effect.gen(function* () {
      const { url } = yield* serve(() => {}, { limits: { streamsPerSessionMax: 7 }, graceMs: 0 })
      const over = yield* session(url)
      const told = yield* Effect.callback<number | undefined>((resume) => {
        over.once("remoteSettings", (remote) => resume(Effect.succeed(remote.maxConcurrentStreams)))
      })
      assert.strictEqual(told, 7)
    })
  )
})

/** `GET http://a/` with 20 KB of headers, in two frames. */
const tooLarge = (stream: number) => {
  // A literal header (RFC 7541, 6.2.2): its name, and a value of 1,000 bytes.
  const header = Buffer.concat([
    Buffer.from([0, 3]),
    Buffer.from("x-a"),
    Buffer.from([0x7f, 0xe9, 0x06]),
    Buffer.alloc(1000, "a")
  ])
  const block = Buffer.concat([
    Buffer.from([0x82, 0x86, 0x84, 0x41, 0x01, 0x61]),
    ...Array.from({ length: 20 }, () => header)
  ])
  return Buffer.concat([frame(1, 1, stream, block.subarray(0, 16_000)), frame(9, 4, stream, block.subarray(16_000))])
}
