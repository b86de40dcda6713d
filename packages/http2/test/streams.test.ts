import type { ServerResponse } from "node:http"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import type { StreamHandler } from "../index.ts"
import { call, echo, frame, get, ping, preface, reset, session, wire } from "./clients.ts"
import { held } from "./garbage.ts"
import { serve } from "./server.ts"

// The streams of one connection beside one another: a mistake in one is felt by no other, and each gets its turn.

const path = (stream: number, text: string, flags = 5) =>
  frame(1, flags, stream, Buffer.from([0x82, 0x86, 0x04, text.length, ...Buffer.from(text), 0x41, 0x01, 0x61]))
const windowUpdate = (stream: number, bytes: number) => {
  const payload = Buffer.alloc(4)
  payload.writeUInt32BE(bytes)
  return frame(8, 0, stream, payload)
}
/** A window for each stream that no answer fills. */
const wideStreams = frame(4, 0, 0, Buffer.from([0, 4, 0x7f, 0, 0, 0]))
const large = "x".repeat(1_000_000)

describe("the code that serves a stream may throw at any moment", () => {
  const nothing = { onData: () => {}, onEnd: () => {}, onDrain: () => {}, onClose: () => {} }
  const fault = () => {
    throw new Error("on purpose")
  }
  const faults: Readonly<Record<string, StreamHandler>> = {
    "when it begins": fault,
    "at a piece of it": (stream) => {
      stream.receiver = { ...nothing, onData: fault }
      return true
    },
    "at its end": (stream) => {
      stream.receiver = { ...nothing, onEnd: fault }
      return true
    },
    "when there is room again": (stream) => {
      stream.receiver = { ...nothing, onDrain: fault }
      stream.respond([[":status", "200"]])
      stream.write(Buffer.from(large))
      return true
    },
    "when it is over": (stream) => {
      stream.receiver = { ...nothing, onEnd: () => stream.respond([[":status", "200"]], true), onClose: fault }
      return true
    }
  }
  for (const [when, onStream] of Object.entries(faults)) {
    it.live(when, () => {
      const faults: Array<unknown> = []
      return Effect.gen(function* () {
        const { url } = yield* serve(echo, {
          onStream: (stream) => stream.head.path === "/bad" && onStream(stream),
          onFault: (cause) => faults.push(cause)
        })
        const over = yield* session(url)
        const [bad, good] = yield* Effect.all(
          [
            call(over, { ":method": "POST", ":path": "/bad" }, (stream) => stream.end("body")),
            call(over, { ":method": "POST" }, (stream) => setTimeout(() => stream.end("body"), 20))
          ],
          { concurrency: "unbounded" }
        )
        assert.strictEqual(good.body, "2.0 POST / body")
        // INTERNAL_ERROR, unless all was said by then.
        assert.strictEqual(bad.code, when === "when it is over" ? 0 : 2)
        assert.include(String(faults[0]), "on purpose")
      })
    })
  }
})

describe("streams that have to share a window", () => {
  const answers = (at: Readonly<Record<string, string>>) =>
    serve((request, response) => void response.end(at[request.url ?? ""] ?? large))

  it.live("take turns: a small answer does not wait until a large one is out", () =>
    Effect.gen(function* () {
      const { port } = yield* answers({ "/small": "a small answer" })
      const client = yield* wire(port)
      client.send(preface, wideStreams, path(1, "/large"), path(3, "/small"))
      // By now the large one has taken all that may be sent.
      yield* client.expect("x".repeat(1_000))
      for (let more = 0; more < 4; more++) client.send(windowUpdate(0, 10_000), ping)
      yield* client.expect("a small answer")
    })
  )

  it.live("take turns also when everything may be sent at once", () =>
    Effect.gen(function* () {
      const { port } = yield* answers({ "/small": "a small answer" })
      const client = yield* wire(port)
      client.send(preface, wideStreams, path(1, "/large"), path(3, "/small"))
      yield* client.expect("x".repeat(1_000))
      client.send(windowUpdate(0, 10 * large.length))
      const before = yield* client.expect("a small answer")
      assert.isBelow(before.length, large.length / 2)
    })
  )

  it.live("all come to their ends, whatever the windows", () =>
    Effect.gen(function* () {
      const { url } = yield* answers({})
      const over = yield* session(url, { settings: { initialWindowSize: 1_000 } })
      const all = Array.from({ length: 20 }, () => call(over))
      for (const { body, code } of yield* Effect.all(all, { concurrency: "unbounded" })) {
        assert.deepStrictEqual([body.length, code], [large.length, 0])
      }
    })
  )

  it.live("leave nothing behind when they are given up while they wait", () =>
    Effect.gen(function* () {
      const responses: Array<WeakRef<ServerResponse>> = []
      const { port } = yield* serve((request, response) => {
        responses.push(new WeakRef(response))
        response.end(request.url === "/large" ? large : "small")
      })
      const client = yield* wire(port)
      client.send(preface, wideStreams, path(1, "/large"))
      // All that may be sent has been, and more.
      yield* client.expect("x".repeat(1_000))
      for (let stream = 3; stream < 403; stream += 2) {
        client.send(get(stream), ping)
        yield* client.expect("\0\0\x08\x06\x01")
        client.send(reset(stream))
      }
      client.send(ping)
      yield* client.expect("\0\0\x08\x06\x01")
      assert.isBelow(yield* Effect.promise(() => held(responses)), responses.length / 2)
    })
  )
})

it.live("a window that changes while an answer waits for it may shrink below nothing, and grow again", () =>
  Effect.gen(function* () {
    const { port } = yield* serve((_, response) => void response.end("x".repeat(50_000)))
    const client = yield* wire(port)
    const initial = (bytes: number) => frame(4, 0, 0, Buffer.from([0, 4, 0, 0, bytes >> 8, bytes & 0xff]))
    /** Says it, and counts what comes before the answer to a ping. */
    const sentBy = (...said: ReadonlyArray<Buffer>) => {
      client.send(...said, ping)
      return Effect.map(client.expect("\0\0\x08\x06\x01\0\0\0\0"), (came) => came.replaceAll(/[^x]/g, "").length)
    }
    client.send(preface)
    assert.strictEqual(yield* sentBy(initial(20_000), get(1)), 20_000)
    // Of 100 bytes, 20,000 are out.
    assert.strictEqual(yield* sentBy(initial(100)), 0)
    assert.strictEqual(yield* sentBy(windowUpdate(1, 19_900)), 0)
    assert.strictEqual(yield* sentBy(windowUpdate(1, 5)), 5)
    assert.strictEqual(yield* sentBy(initial(110)), 10)
    assert.strictEqual(yield* sentBy(windowUpdate(1, 40_000)), 29_985)
  })
)
