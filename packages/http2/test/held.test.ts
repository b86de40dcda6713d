import { assert, describe, it } from "@effect/vitest"
import { Effect, Queue } from "effect"
import type { Handler } from "../index.ts"
import { call, echo, frame, get, ping, preface, reset, session, settings, wire } from "./clients.ts"
import { serve } from "./server.ts"

// The memory held for all peers together is bounded. No peer is refused: the largest holders are shed.

const limits = { sessionsHeldBytesMax: 240_000 }
const post = (stream: number) => frame(1, 4, stream, Buffer.from([0x83, 0x86, 0x84, 0x41, 0x01, 0x61]))
const postOn = (stream: number) =>
  frame(1, 4, stream, Buffer.from([0x83, 0x86, 0x04, 3, ...Buffer.from("/on"), 0x41, 0x01, 0x61]))
const data = (stream: number, bytes: number, flags = 0) => frame(0, flags, stream, Buffer.alloc(bytes, "x"))
const noWindow = frame(4, 0, 0, Buffer.from([0, 4, 0, 0, 0, 0]))
const more = Buffer.from([0, 1, 0, 0])
const pong = "\0\0\x08\x06\x01\0\0\0\0\0\0\0\0\0\0\0\0"
/** ENHANCE_YOUR_CALM, which gRPC calls RESOURCE_EXHAUSTED, and RST_STREAM with it. */
const calm = "\0\0\0\x0b"
const broken = "\0\0\x04\x03\0"

const large: Handler = (request, response) => {
  // A stream that goes on, without an end in sight.
  if (request.url === "/on") request.resume().on("end", () => response.write("x".repeat(20_000)))
  else if (request.method === "GET") response.end("x".repeat(60_000))
  else echo(request, response)
}

describe("the peers that hold most are shed first", () => {
  /** How to make the listener hold some 60,000 bytes, again and again. */
  const ways = {
    "with requests that do not come to their ends": (stream: number) => [
      post(stream),
      ...Array.from({ length: 4 }, () => data(stream, 15_000))
    ],
    "with many requests that hardly begin": (stream: number) =>
      Array.from({ length: 12 }, (_, i) => post(12 * stream + 2 * i + 1)),
    "with answers that are not taken": (stream: number) => [get(stream)]
  }
  for (const [how, said] of Object.entries(ways)) {
    it.live(how, () =>
      Effect.gen(function* () {
        const { port, url } = yield* serve(large, { limits })
        const small = yield* wire(port)
        small.send(preface, noWindow, post(1), data(1, 1_000), post(3), data(3, 1_000, 1), ping)
        yield* small.expect(pong)
        const most = yield* wire(port)
        most.send(preface, noWindow)
        for (let stream = 1; stream < 11; stream += 2) most.send(...said(stream))
        assert.include(yield* most.expect(calm), broken)
        // Whoever holds little keeps it, and everyone else is served.
        small.send(data(1, 0, 1), frame(8, 0, 1, more), frame(8, 0, 3, more))
        for (let answers = 0; answers < 2; answers++) yield* small.expect(`2.0 POST / ${"x".repeat(1_000)}`)
        const answer = yield* call(yield* session(url), { ":method": "POST" }, (stream) => stream.end("well"))
        assert.strictEqual(answer.body, "2.0 POST / well")
      })
    )
  }

  it.live("with the largest of their streams first", () =>
    Effect.gen(function* () {
      const { port } = yield* serve(large, { limits })
      const client = yield* wire(port)
      client.send(preface, settings, post(1), data(1, 1_000))
      for (const stream of [3, 5, 7, 9])
        client.send(post(stream), ...Array.from({ length: 4 }, () => data(stream, 15_000)))
      assert.include(yield* client.expect(calm), broken)
      client.send(data(1, 0, 1))
      yield* client.expect(`2.0 POST / ${"x".repeat(1_000)}`)
    })
  )

  it.live("with connections that are not read", () =>
    Effect.gen(function* () {
      const closed = yield* Queue.unbounded<void>()
      const { port } = yield* serve(
        (request, response) => {
          if (request.method === "POST") return echo(request, response)
          response.once("close", () => Queue.offerUnsafe(closed, undefined))
          response.write(Buffer.alloc(20_000_000, "x"))
        },
        { limits: { ...limits, heldBytesMax: 30_000_000 } }
      )
      const small = yield* wire(port)
      small.send(preface, settings, post(1), data(1, 1_000), ping)
      yield* small.expect(pong)
      const client = yield* wire(port)
      const window = Buffer.from([0x7f, 0, 0, 0])
      client.socket.pause()
      client.send(preface, frame(4, 0, 0, Buffer.concat([Buffer.from([0, 4]), window])), frame(8, 0, 0, window), get(1))
      yield* Queue.take(closed)
      small.send(data(1, 0, 1))
      yield* small.expect(`2.0 POST / ${"x".repeat(1_000)}`)
    })
  )
})

it.live("what is not held any more makes room by itself", () =>
  Effect.gen(function* () {
    const { port } = yield* serve(large, { limits: { sessionsHeldBytesMax: 300_000 } })
    const client = yield* wire(port)
    client.send(preface, noWindow)
    for (let stream = 1; stream < 200; stream += 8) {
      // A request that comes to its end, one that is given up, an answer that is taken, and one that is given up.
      client.send(post(stream), data(stream, 15_000), post(stream + 2), data(stream + 2, 15_000), get(stream + 4))
      client.send(get(stream + 6), ping)
      yield* client.expect(pong)
      client.send(data(stream, 0, 1), reset(stream + 2), frame(8, 0, stream + 4, more), frame(8, 0, 0, more))
      yield* client.expect("x".repeat(1_000))
      client.send(frame(8, 0, stream, more), frame(8, 0, 0, more), reset(stream + 6), ping)
      yield* client.expect(pong)
    }
    for (let stream = 301; stream < 341; stream += 2) {
      client.send(postOn(stream), data(stream, 15_000))
      yield* Effect.sleep(1)
      client.send(data(stream, 0, 1), ping)
      yield* client.expect(pong)
      client.send(frame(8, 0, stream, more), frame(8, 0, 0, more))
      assert.notInclude(yield* client.expect("x".repeat(1_000)), calm)
      // A stream takes room as long as it is open, whether anything waits for its client or not.
      client.send(reset(stream))
    }
    client.send(post(401), ...Array.from({ length: 8 }, () => data(401, 16_000)), get(403), ping)
    assert.notInclude(yield* client.expect(pong), calm)
    client.send(data(401, 0, 1), frame(8, 0, 401, Buffer.from([0, 4, 0, 0])), frame(8, 0, 0, Buffer.from([0, 4, 0, 0])))
    yield* client.expect("x".repeat(1_000))
  })
)
