import { connect } from "node:net"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Queue } from "effect"
import type { Handler } from "../../../adapters/transport/listener/listen.ts"
import { limitation } from "../../support/need.ts"
import { frame, get, http1, http2InTests, ping, preface, serve, session, settings, wire } from "./clients.ts"

/** What Node's HTTP/2 lacks: it takes input and answers by itself. */
const unlessNode = (cannot: string) => (http2InTests === "node" ? limitation("node:http2", cannot) : {})

/** Linux has all of 127.0.0.0/8 on its loopback. */
const otherAddress = "127.0.0.77"
const onLinux = describe.skipIf(process.platform !== "linux")

/** What a client at the other address gets for one request on a connection of its own. */
const asked = (port: number) =>
  Effect.callback<string>((resume) => {
    let received = ""
    const socket = connect({ port, host: "127.0.0.1", localAddress: otherAddress })
    socket
      .on("error", () => {})
      .on("data", (chunk) => {
        received += chunk
      })
      .on("close", () => resume(Effect.succeed(received)))
    socket.write(http1("GET", "/now", { connection: "close" }))
    return Effect.sync(() => socket.destroy())
  })

/** Answers at once what asks for it, and else never. */
const waits: Handler = (request, response) => {
  if (request.url === "/now") response.end("served")
}

onLinux("an address that takes all that it can get", () => {
  it.live("leaves connections to others", () =>
    Effect.gen(function* () {
      const { port } = yield* serve(waits, { limits: { connectionsMax: 20 }, graceMs: 0 })
      const clients = []
      for (let i = 0; i < 30; i++) clients.push(yield* wire(port))
      for (const client of clients.slice(18)) assert.strictEqual(yield* client.closed, "")
      for (const client of clients.slice(0, 18)) {
        client.send(http1("GET", "/now"))
        yield* client.expect("served")
      }
      assert.include(yield* asked(port), "served")
    })
  )

  it.live("leaves requests to others, over HTTP/1.1", () =>
    Effect.gen(function* () {
      const begun = yield* Queue.unbounded<void>()
      const { port } = yield* serve(
        (request, response) => {
          Queue.offerUnsafe(begun, undefined)
          waits(request, response)
        },
        { limits: { requestsMax: 20 }, graceMs: 0 }
      )
      for (let i = 0; i < 18; i++) {
        ;(yield* wire(port)).send(http1("GET", "/"))
        yield* Queue.take(begun)
      }
      const client = yield* wire(port)
      client.send(http1("GET", "/now"))
      const answer = yield* client.expect("try again")
      assert.match(answer, /^HTTP\/1\.1 429 [\s\S]*retry-after: 1\r\n/i)
      assert.match(answer, /x-request-id: \S+/i)
      assert.include(yield* asked(port), "served")
      // The connection goes on.
      client.send(http1("GET", "/now"))
      yield* client.expect("HTTP/1.1 429 ")
    })
  )

  it.live("leaves requests to others, over HTTP/2", () =>
    Effect.gen(function* () {
      const { port } = yield* serve(waits, { limits: { requestsMax: 20 }, graceMs: 0 })
      const client = yield* wire(port)
      client.send(preface, settings)
      for (let stream = 1; stream < 2 * 19; stream += 2) client.send(get(stream))
      // REFUSED_STREAM: it was not begun, and may be asked again.
      yield* client.expect("\0\0\x04\x03\0\0\0\0\x25\0\0\0\x07")
      assert.include(yield* asked(port), "served")
    })
  )

  it.live("leaves memory to others", () =>
    Effect.gen(function* () {
      const { port } = yield* serve(waits, { limits: { sessionsHeldBytesMax: 500_000 }, graceMs: 0 })
      // Bodies that are not read, and so small that nothing has to make room.
      const held = yield* wire(port)
      held.send(http1("POST", "/", { "content-length": "430000" }, "x".repeat(40_000)))
      let isRefused = false
      for (let i = 0; i < 20 && !isRefused; i++) {
        const client = yield* wire(port)
        client.send(http1("POST", "/", { "content-length": "100000" }, "x"))
        const next = yield* wire(port)
        next.send(http1("GET", "/now"))
        isRefused = !(yield* next.expect("\r\n\r\n")).startsWith("HTTP/1.1 200")
      }
      assert.isTrue(isRefused)
      assert.include(yield* asked(port), "served")
    })
  )
})

describe("a request whose client has gone", () => {
  it.live("has its slot as long as it is worked on, over HTTP/1.1", () =>
    Effect.gen(function* () {
      const { work, port, begun, closed } = yield* working
      const client = yield* wire(port)
      client.send(http1("GET", "/"))
      yield* Queue.take(begun)
      client.socket.resetAndDestroy()
      yield* Queue.take(closed)
      const next = yield* wire(port)
      next.send(http1("GET", "/"))
      yield* next.expect("HTTP/1.1 503 ")
      work.resolve()
      yield* Effect.sleep(0)
      next.send(http1("GET", "/now"))
      yield* next.expect("HTTP/1.1 200 ")
    })
  )

  it.live(
    "has its slot as long as it is worked on, over HTTP/2",
    () =>
      Effect.gen(function* () {
        const { work, url, port, begun, closed } = yield* working
        const over = yield* session(url)
        const stream = over.request({ ":path": "/" }).on("error", () => {})
        yield* Queue.take(begun)
        stream.close(8)
        yield* Queue.take(closed)
        const next = yield* wire(port)
        next.send(http1("GET", "/"))
        yield* next.expect("HTTP/1.1 503 ")
        work.resolve()
        yield* Effect.sleep(0)
        next.send(http1("GET", "/now"))
        yield* next.expect("HTTP/1.1 200 ")
      }),
    unlessNode("say when the work for a stream that was reset ends")
  )
})

/** A listener with one slot, and a handler that goes on whatever its client does. */
const working = Effect.gen(function* () {
  const work = Promise.withResolvers<void>()
  const begun = yield* Queue.unbounded<void>()
  const closed = yield* Queue.unbounded<void>()
  const { port, url } = yield* serve(
    (request, response) => {
      if (request.url === "/now") return void response.end("served")
      Queue.offerUnsafe(begun, undefined)
      response.once("close", () => Queue.offerUnsafe(closed, undefined))
      return work.promise
    },
    { limits: { requestsMax: 1 } }
  )
  return { work, port, url, begun, closed }
})

describe("one connection with more requests than can be answered at once", () => {
  const busy = () => {
    for (const end = performance.now() + 0.1; performance.now() < end; );
  }
  const path = Buffer.concat([Buffer.from([0x82, 0x86, 0x04, 4]), Buffer.from("/now"), Buffer.from([0x41, 1, 0x61])])
  const floods = {
    "HTTP/1.1": [http1("GET", "/").repeat(1_000)],
    "HTTP/2": [preface, settings, ...Array.from({ length: 1_000 }, (_, i) => get(2 * i + 1))]
  }
  for (const [protocol, said] of Object.entries(floods)) {
    it.live(
      `does not keep others from theirs, over ${protocol}`,
      () =>
        Effect.gen(function* () {
          const answered: Array<string> = []
          const others: Array<() => void> = []
          const { port } = yield* serve((request, response) => {
            busy()
            // They ask when the flood has begun.
            if (answered.length === 0) for (const ask of others) ask()
            answered.push(request.url ?? "")
            response.end("served")
          })
          const one = yield* wire(port)
          const two = yield* wire(port)
          two.send(preface, settings, ping)
          yield* two.expect("\0\0\x08\x06\x01")
          others.push(
            () => one.send(http1("GET", "/now")),
            () => two.send(frame(1, 5, 1, path))
          )
          const flood = yield* wire(port)
          flood.send(Buffer.concat(said.map((part) => Buffer.from(part))))
          while (answered.length < 1_002) yield* Effect.sleep(5)
          const last = answered.lastIndexOf("/now")
          assert.strictEqual(answered.filter((url) => url === "/now").length, 2)
          // Not only before its last: after a few turns.
          assert.isBelow(last, 500)
        }),
      unlessNode("share the processor between connections")
    )
  }
})

/** Bun does not tell how much of a write the system has taken, so that only answers in pieces are seen to move. */
it.live(
  "a slow but steady reader keeps a large answer, while those who read nothing make room",
  () =>
    Effect.gen(function* () {
      const size = 24_000_000
      const { port } = yield* serve((_, response) => void response.end(Buffer.alloc(size, "x")), {
        limits: { sessionsHeldBytesMax: 3.5 * size, lateCheckMs: 20 }
      })
      const open = Effect.gen(function* () {
        const client = yield* wire(port)
        client.socket.removeAllListeners("data").pause()
        client.send(http1("GET", "/"))
        return client.socket
      })
      // What is held for it is as much as for the others, and it has been there for longer.
      const steady = yield* open
      const stalled = [yield* open, yield* open]
      let read = 0
      const reading = setInterval(() => {
        read += (steady.read() as Buffer | null)?.length ?? 0
      }, 10)
      yield* Effect.sleep(1_500)
      assert.isBelow(read, size)
      const last = yield* open
      yield* Effect.sleep(200)
      clearInterval(reading)
      last.destroy()
      steady.on("data", (chunk: Buffer) => {
        read += chunk.length
      })
      steady.resume()
      while (!steady.destroyed && read < size) yield* Effect.sleep(10)
      assert.isAtLeast(read, size)
      for (const socket of stalled) socket.resume()
      while (stalled.every((socket) => !socket.destroyed)) yield* Effect.sleep(10)
    }),
  "Bun" in globalThis
    ? limitation("Bun", "tell how much of a write the system has taken")
    : unlessNode("charge what it holds to the budget of all")
)
