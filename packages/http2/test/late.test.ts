import { connect } from "node:net"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Queue, Scope } from "effect"
import { call, echo, frame, get, ping, preface, reset, session, settings, wire } from "./clients.ts"
import { serve } from "./server.ts"

// Slow and silent peers: incomplete requests, unread answers, and connections that were asked to close.

/** All of them long, but the one in question. */
const limits = (some: Readonly<Record<string, number>>) => ({ lateCheckMs: 10, ...some })
const post = (stream: number) => frame(1, 4, stream, Buffer.from([0x83, 0x86, 0x84, 0x41, 0x01, 0x61]))
/** A frame of so many bytes, and the first of them. */
const begun = (type: number, stream: number, bytes: number) =>
  frame(type, 0, stream, Buffer.alloc(bytes)).subarray(0, 20)
const calm = "\0\0\0\x0b"

describe("a connection is ended when what was begun on it does not come to its end", () => {
  const sent = {
    "the preface, and no settings": { limit: "firstBytesMsMax", said: [preface] },
    "the settings": { limit: "firstBytesMsMax", said: [preface, settings.subarray(0, 5)] },
    "a header block": { limit: "headersMsMax", said: [preface, settings, frame(1, 1, 1, Buffer.from([0x82]))] },
    "a frame": { limit: "requestMsMax", said: [preface, settings, post(1), begun(0, 1, 1_000)] },
    "a frame for nobody": { limit: "requestMsMax", said: [preface, settings, get(1), begun(0xbb, 0, 1_000)] }
  } as const
  for (const [what, { limit, said }] of Object.entries(sent)) {
    it.live(what, () =>
      Effect.gen(function* () {
        const { port } = yield* serve(echo, { limits: limits({ [limit]: 100 }) })
        const client = yield* wire(port)
        client.send(...said)
        assert.include(yield* client.closed, calm)
      })
    )
  }

  it.live("not when frames come in pieces, and there is one on its way whenever somebody looks", () =>
    Effect.gen(function* () {
      const { port } = yield* serve(echo, { limits: limits({ requestMsMax: 300 }) })
      const client = yield* wire(port)
      const one = frame(0xbb, 0, 0, Buffer.alloc(100))
      client.send(preface, settings, one.subarray(0, 50))
      for (let sent = 0; sent < 15; sent++) {
        yield* Effect.sleep(50)
        client.send(Buffer.concat([one.subarray(50), one.subarray(0, 50)]))
      }
      client.send(one.subarray(50), get(1))
      yield* client.expect("2.0 GET / ")
    })
  )
})

describe("an idle connection", () => {
  it.live("is closed, also when a stream was open at the first check", () =>
    Effect.gen(function* () {
      const { port } = yield* serve((_, response) => void setTimeout(() => response.end("at last"), 200), {
        limits: limits({ sessionIdleMs: 30 })
      })
      const client = yield* wire(port)
      client.send(preface, settings, get(1))
      yield* client.expect("at last")
      yield* client.closed
    })
  )

  it.live("is no more when its client does not close its side", () =>
    Effect.gen(function* () {
      const { port } = yield* serve(echo, {
        limits: limits({ sessionIdleMs: 20, unreadLingerMs: 20, connectionsMax: 1 })
      })
      yield* Effect.acquireRelease(
        Effect.sync(() => {
          const half = connect({ port, host: "127.0.0.1", allowHalfOpen: true })
          half.on("error", () => {}).resume()
          half.write(Buffer.concat([Buffer.from(preface), settings]))
          return half
        }),
        (half) => Effect.sync(() => half.destroy())
      )
      // There is no place for another until it is gone.
      for (let isServed = false; !isServed; ) {
        const client = yield* wire(port)
        client.send(preface, settings, get(1))
        isServed = (yield* client.closed).includes("2.0 GET / ")
      }
    })
  )
})

describe("an answer that is on its way", () => {
  const size = 20_000_000
  /** A client that was answered and has read nothing of it yet, when its connection is left. */
  const slow = Effect.gen(function* () {
    const scope = yield* Scope.make()
    const answered = yield* Queue.unbounded<void>()
    const { port } = yield* Scope.provide(
      serve(
        (_, response) => {
          response.once("finish", () => Queue.offerUnsafe(answered, undefined))
          response.end(Buffer.alloc(size, "x"))
        },
        // So much that all of the answer waits on the socket.
        { limits: limits({ heldBytesMax: 2 * size, unreadLingerMs: 20 }) }
      ),
      scope
    )
    const client = yield* wire(port)
    const window = Buffer.from([0x7f, 0, 0, 0])
    client.socket.pause()
    client.send(preface, frame(4, 0, 0, Buffer.concat([Buffer.from([0, 4]), window])), frame(8, 0, 0, window), get(1))
    yield* Queue.take(answered)
    const left = yield* Effect.forkChild(Scope.close(scope, Exit.void), { startImmediately: true })
    return { client, left }
  })
  const arrivedAt = (text: string) => text.replaceAll(/[^x]/g, "").length

  it.live("reaches a client that sends something after GOAWAY", () =>
    Effect.gen(function* () {
      const { client, left } = yield* slow
      client.send(ping, ping)
      yield* Effect.sleep(10)
      client.socket.resume()
      assert.isAtLeast(arrivedAt(yield* client.closed), size)
      yield* Fiber.join(left)
    })
  )

  it.live("reaches a client that takes its time", () =>
    Effect.gen(function* () {
      const { client, left } = yield* slow
      yield* Effect.sleep(100)
      client.socket.resume()
      assert.isAtLeast(arrivedAt(yield* client.closed), size)
      yield* Fiber.join(left)
    })
  )
})

describe("a client that takes nothing", () => {
  it.live("loses its connection when it does not read, whatever it says meanwhile", () =>
    Effect.gen(function* () {
      const closed = yield* Queue.unbounded<void>()
      const { port } = yield* serve(
        (_, response) => {
          response.once("close", () => Queue.offerUnsafe(closed, undefined))
          response.write(Buffer.alloc(20_000_000, "x"))
        },
        { limits: limits({ unreadMsMax: 50 }) }
      )
      const client = yield* wire(port)
      const window = Buffer.from([0x7f, 0, 0, 0])
      client.socket.pause()
      client.send(preface, frame(4, 0, 0, Buffer.concat([Buffer.from([0, 4]), window])), frame(8, 0, 0, window), get(1))
      const talking = setInterval(() => client.send(frame(8, 0, 1, Buffer.from([0, 0, 0, 1]))), 5)
      yield* Queue.take(closed)
      clearInterval(talking)
    })
  )

  it.live("loses its stream when it comes to the end of its request, and takes no answer", () =>
    Effect.gen(function* () {
      const { port } = yield* serve((_, response) => void response.end("early"), {
        limits: limits({ unreadMsMax: 50 })
      })
      const client = yield* wire(port)
      client.send(preface, frame(4, 0, 0, Buffer.from([0, 4, 0, 0, 0, 0])), post(1))
      yield* client.expect("\0\0\0\x01")
      yield* Effect.sleep(20)
      client.send(frame(0, 1, 1))
      // RST_STREAM with CANCEL.
      yield* client.expect("\0\0\x04\x03\0\0\0\0\x01\0\0\0\x08")
    })
  )

  it.live("keeps it when it takes little, but something", () =>
    Effect.gen(function* () {
      const { url } = yield* serve((_, response) => void response.end("x".repeat(40)), {
        limits: limits({ unreadMsMax: 700 })
      })
      const over = yield* session(url, { settings: { initialWindowSize: 10 } })
      const answer = yield* call(over, {}, (stream) => {
        stream.pause()
        const sips = setInterval(() => stream.read(5), 100)
        stream.once("close", () => clearInterval(sips)).end()
      })
      assert.strictEqual(answer.body, "x".repeat(40))
    })
  )
})

it.live("input after GOAWAY is ignored, and ends nothing", () =>
  Effect.gen(function* () {
    const scope = yield* Scope.make()
    let finish = () => {}
    const handled: Array<string | undefined> = []
    const { port } = yield* Scope.provide(
      serve((request, response) => {
        handled.push(request.url)
        finish = () => response.end("answered")
      }),
      scope
    )
    const client = yield* wire(port)
    client.send(preface, settings, get(1), ping)
    yield* client.expect("\0\0\x08\x06\x01")
    const left = yield* Effect.forkChild(Scope.close(scope, Exit.void), { startImmediately: true })
    yield* client.expect("\0\0\x08\x07\0\0\0\0\0")
    // A request that was on its way: its header block counts for those after it, and so does what it sent.
    client.send(post(3), frame(0, 0, 3, Buffer.alloc(100)), frame(1, 5, 3, Buffer.from([0x00, 0x01, 0x61, 0x01, 0x62])))
    client.send(post(5), reset(5), frame(8, 0, 5, Buffer.from([0, 0, 0, 1])), ping)
    assert.notInclude(
      yield* client.expect("\0\0\x08\x06\x01"),
      "\0\0\x04\x03",
      "no stream was reset that nobody serves"
    )
    finish()
    yield* client.expect("answered")
    yield* client.closed
    yield* Fiber.join(left)
    assert.deepStrictEqual(handled, ["/"])
  })
)
