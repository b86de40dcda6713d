import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { codes } from "../frames.ts"
import type { Handler } from "../index.ts"
import { frame, get, preface, settings } from "./clients.ts"
import { dataBytes, peer, resetCode } from "./peer.ts"
import { serve } from "./server.ts"

// Requests of a client that leaves too much unread wait, and nothing is done for them meanwhile.

const noWindow = frame(4, 0, 0, Buffer.from([0, 4, 0, 0, 0, 0]))
const more = Buffer.from([0, 1, 0, 0])
const answerBytes = 40_000
const streams = Array.from({ length: 10 }, (_, i) => 2 * i + 1)

/** Counts what is begun. */
const counting = () => {
  const begun: Array<number> = []
  const handler: Handler = (_, response) => {
    begun.push(begun.length)
    response.end("x".repeat(answerBytes))
  }
  return { begun, handler }
}

describe("requests of a client that reads no answers", () => {
  it.live("are begun up to a bound, on each of its connections", () =>
    Effect.gen(function* () {
      const { begun, handler } = counting()
      const { port } = yield* serve(handler, { limits: { heldBytesMax: 100_000 } })
      for (let connection = 1; connection <= 4; connection++) {
        const client = yield* peer(port)
        client.send(preface, noWindow, ...streams.map((stream) => get(stream)))
        yield* client.settled
        // The third answer is what goes over the bound.
        assert.strictEqual(begun.length, 3 * connection)
      }
    })
  )

  it.live("are begun a few at a time where their answers are made by promises", () =>
    Effect.gen(function* () {
      let answers = 0
      const answer = async (...[request, response]: Parameters<Handler>) => {
        for await (const _ of request);
        answers += 1
        for (let i = 0; i < 50; i++) await undefined
        response.end("x".repeat(answerBytes))
      }
      // Those that are still read when the client leaves fail, and nobody is left to hear it.
      const handler: Handler = (...exchange) => void answer(...exchange).catch(() => {})
      const { port } = yield* serve(handler, { limits: { heldBytesMax: 100_000 } })
      const posts = streams.map((stream) => frame(1, 4, stream, Buffer.from([0x83, 0x86, 0x84, 0x41, 0x01, 0x61])))
      const ends = streams.map((stream) => frame(0, 1, stream, Buffer.alloc(0)))
      for (const requests of [streams.map((stream) => get(stream)), [...posts, ...ends]]) {
        answers = 0
        const another = yield* peer(port)
        another.send(preface, noWindow, ...requests)
        yield* another.settled
        assert.isAtMost(answers, 4)
      }
    })
  )

  it.live("go on when it reads them", () =>
    Effect.gen(function* () {
      const { begun, handler } = counting()
      const { port } = yield* serve(handler, { limits: { heldBytesMax: 100_000 } })
      const client = yield* peer(port)
      client.send(preface, noWindow, ...streams.map((stream) => get(stream)))
      yield* client.settled
      assert.strictEqual(begun.length, 3)
      client.send(frame(8, 0, 0, Buffer.from([0, 16, 0, 0])))
      for (const stream of streams) client.send(frame(8, 0, stream, more))
      yield* client.until((frames) => dataBytes(frames) === streams.length * answerBytes)
      assert.strictEqual(begun.length, streams.length)
    })
  )

  it.live("are refused, and may be sent again, when it reads none for some time", () =>
    Effect.gen(function* () {
      const { begun, handler } = counting()
      const { port } = yield* serve(handler, {
        limits: { heldBytesMax: 100_000, requestWaitMsMax: 50, lateCheckMs: 10 }
      })
      const client = yield* peer(port)
      client.send(preface, noWindow, ...streams.map((stream) => get(stream)))
      const frames = yield* client.until((all) =>
        streams.slice(3).every((stream) => resetCode(all, stream) !== undefined)
      )
      for (const stream of streams.slice(3)) assert.strictEqual(resetCode(frames, stream), codes.refused)
      assert.strictEqual(begun.length, 3)
      // Those that were begun are complete, and still there.
      client.send(frame(8, 0, 0, more), ...streams.map((stream) => frame(8, 0, stream, more)))
      yield* client.until((all) => dataBytes(all) === 3 * answerBytes)
    })
  )

  it.live("take no work when they are given up before they are begun", () =>
    Effect.gen(function* () {
      const { begun, handler } = counting()
      const { port } = yield* serve(handler, { limits: { heldBytesMax: 100_000 } })
      const client = yield* peer(port)
      client.send(preface, settings, noWindow, ...streams.map((stream) => get(stream)))
      yield* client.settled
      for (const stream of streams.slice(3)) client.send(frame(3, 0, stream, Buffer.from([0, 0, 0, 8])))
      client.send(frame(8, 0, 0, more), ...streams.slice(0, 3).map((stream) => frame(8, 0, stream, more)))
      yield* client.until((all) => dataBytes(all) === 3 * answerBytes)
      yield* client.settled
      assert.strictEqual(begun.length, 3)
    })
  )
})
