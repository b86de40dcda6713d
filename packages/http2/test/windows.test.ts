import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import type { Handler } from "../index.ts"
import { call, echo, frame, get, ping, preface, reset, session, settings, wire } from "./clients.ts"
import { dataBytes, peer } from "./peer.ts"
import { serve } from "./server.ts"

// Every byte of DATA that comes in must be given back to the window of its connection, whatever becomes of its stream:
// else the connection starves, and its client waits for ever.

const limits = { sessionWindowBytes: 70_000, streamWindowBytes: 65_535 }
const post = (stream: number) => frame(1, 4, stream, Buffer.from([0x83, 0x86, 0x84, 0x41, 0x01, 0x61]))
const data = (stream: number, bytes: number, flags = 0) => frame(0, flags, stream, Buffer.alloc(bytes, "x"))
const large = "x".repeat(1_000_000)

/** Counts what it gets, in each of the ways in which a request may be read. */
const readers: Readonly<Record<string, Handler>> = {
  "as it flows": (request, response) => {
    let bytes = 0
    request.on("data", (chunk: Buffer) => {
      bytes += chunk.length
    })
    request.on("end", () => response.end(String(bytes)))
  },
  "in a loop, slowly": async (request, response) => {
    let bytes = 0
    for await (const chunk of request) {
      bytes += chunk.length
      await new Promise(setImmediate)
    }
    response.end(String(bytes))
  },
  "when it says that there is something": (request, response) => {
    let bytes = 0
    request.on("readable", () => {
      for (let chunk = request.read(10); chunk !== null; chunk = request.read()) bytes += chunk.length
    })
    request.on("end", () => response.end(String(bytes)))
  }
}

describe("a request that is larger than all windows comes in whole", () => {
  for (const [how, handler] of Object.entries(readers)) {
    it.live(how, () =>
      Effect.gen(function* () {
        const { url } = yield* serve(handler, { limits })
        const over = yield* session(url)
        const answer = yield* call(over, { ":method": "POST" }, (stream) => stream.end(large))
        assert.strictEqual(answer.body, String(large.length))
      })
    )
  }
})

describe("a window outlives its streams", () => {
  /** What may happen to a stream with bytes that nobody has read, on a connection whose window holds no two of them. */
  const ends: Readonly<Record<string, { readonly handler: Handler; readonly send: (stream: number) => Buffer }>> = {
    "that were reset by their clients": {
      handler: () => {},
      send: (stream) => Buffer.concat([post(stream), data(stream, 16_000), reset(stream)])
    },
    "that were answered before they were read": {
      handler: (request, response) => void request.once("readable", () => response.end("early")),
      send: (stream) => Buffer.concat([post(stream), data(stream, 15_000), data(stream, 1_000, 1)])
    },
    "whose handlers went away": {
      handler: (request, response) =>
        void request.once("readable", () => {
          request.destroy()
          response.end("early")
        }),
      send: (stream) => Buffer.concat([post(stream), data(stream, 16_000), data(stream, 0, 1)])
    },
    "whose handlers failed": {
      handler: (request, response) => void request.once("readable", () => response.destroy()),
      send: (stream) => Buffer.concat([post(stream), data(stream, 16_000), data(stream, 0, 1)])
    },
    "that were nothing but padding": {
      handler: (request, response) => void request.resume().on("end", () => response.end("well")),
      send: (stream) =>
        Buffer.concat([
          post(stream),
          ...Array.from({ length: 60 }, () =>
            frame(0, 8, stream, Buffer.concat([Buffer.from([255]), Buffer.alloc(255)]))
          ),
          data(stream, 0, 1)
        ])
    },
    "that were refused": {
      handler: () => assert.fail("it was not refused"),
      // `te: no`
      send: (stream) =>
        Buffer.concat([
          frame(1, 4, stream, Buffer.from([0x83, 0x86, 0x84, 0x00, 0x02, 0x74, 0x65, 0x02, 0x6e, 0x6f])),
          data(stream, 16_000)
        ])
    }
  }
  for (const [what, { handler, send }] of Object.entries(ends)) {
    it.live(what, () =>
      Effect.gen(function* () {
        const { port } = yield* serve(
          (request, response) => (request.method === "GET" ? echo(request, response) : handler(request, response)),
          { limits }
        )
        const client = yield* wire(port)
        client.send(preface, settings)
        for (let stream = 1; stream < 60; stream += 2) {
          client.send(Buffer.concat([send(stream), ping]))
          // Its answer: nothing that the client sent is on its way any more.
          yield* client.expect("\0\0\x08\x06\x01")
          yield* Effect.sleep(2)
        }
        client.send(get(61))
        yield* client.expect("2.0 GET / ")
      })
    )
  }
})

describe("a client that sends nothing more, and has given no window for its answers", () => {
  const windows: Readonly<Record<string, Buffer>> = {
    "of its streams": frame(4, 0, 0, Buffer.from([0, 4, 0, 0, 0, 100])),
    "of its connection": frame(4, 0, 0, Buffer.from([0, 4, 0, 16, 0, 0]))
  }
  for (const [which, initialWindow] of Object.entries(windows)) {
    it.live(`is not waited for: ${which}`, () =>
      Effect.gen(function* () {
        const { port } = yield* serve((_, response) => void response.end(large))
        const client = yield* peer(port)
        client.send(preface, initialWindow, get(1), get(3))
        yield* client.settled
        client.finish()
        yield* client.closed
      })
    )
  }

  it.live("gets what fits into the window that it gave", () =>
    Effect.gen(function* () {
      const { port } = yield* serve((_, response) => void response.end("x".repeat(1_000)))
      const client = yield* peer(port)
      client.send(preface, settings, get(1), get(3))
      client.finish()
      assert.strictEqual(dataBytes(yield* client.closed), 2_000)
    })
  )
})
