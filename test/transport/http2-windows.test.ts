import { create, toBinary } from "@bufbuild/protobuf"
import { type StringValue, StringValueSchema } from "@bufbuild/protobuf/wkt"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import type { Handler } from "../../adapters/transport/listener/listen.ts"
import { type GrpcMethod, grpcFace } from "../../adapters/transport/rpc/grpc.ts"
import { call, echo, frame, get, ping, preface, reset, serve, session, settings, wire } from "./listener-clients.ts"

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

it.live("large messages that come in side by side all come in whole", () =>
  Effect.gen(function* () {
    // More of them than the window of the connection holds: none may wait for room that only its end would make.
    const lengths: GrpcMethod = {
      input: StringValueSchema,
      output: StringValueSchema,
      begin: (_, message, { done }) => {
        done({ message: create(StringValueSchema, { value: String((message as StringValue).value.length) }) })
        return () => {}
      },
      refused: () => {}
    }
    const { url } = yield* serve(echo, { limits, onStream: grpcFace(new Map([["/lengths", lengths]])) })
    const over = yield* session(url)
    const message = toBinary(StringValueSchema, create(StringValueSchema, { value: "x".repeat(60_000) }))
    const head = Buffer.alloc(5)
    head.writeUInt32BE(message.length, 1)
    const body = Buffer.concat([head, message])
    const headers = { ":method": "POST", ":path": "/lengths", "content-type": "application/grpc" }
    const calls = 8
    let halves = 0
    const { promise: allAreHalfSent, resolve } = Promise.withResolvers<void>()
    const one = call(over, headers, (stream) => {
      stream.write(body.subarray(0, 30_000), () => ++halves === calls && resolve())
      allAreHalfSent.then(() => stream.end(body.subarray(30_000)))
    })
    const answers = yield* Effect.all(
      Array.from({ length: calls }, () => one),
      { concurrency: "unbounded" }
    )
    for (const { body: answer, trailers } of answers) {
      assert.include(answer, "60000")
      assert.strictEqual(trailers["grpc-status"], "0")
    }
  })
)

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
