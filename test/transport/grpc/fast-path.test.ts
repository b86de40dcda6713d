import { connect as connectHttp2, type IncomingHttpHeaders } from "node:http2"
import { create, toBinary } from "@bufbuild/protobuf"
import { createClient } from "@connectrpc/connect"
import {
  compressionBrotli,
  compressionGzip,
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
  type GrpcTransportOptions
} from "@connectrpc/connect-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { gatewayRpcHandler } from "../../../adapters/transport/connect/node.ts"
import { grpcHandler } from "../../../adapters/transport/grpc/grpc.ts"
import { grpcMethods } from "../../../adapters/transport/grpc/methods.ts"
import type { StreamHandler } from "../../../adapters/transport/listener/listen.ts"
import {
  EntitySchema,
  EntityService,
  EventService,
  StreamOptsSchema
} from "../../../proto/gen/stategate/stategate_pb.js"
import { startGateway } from "../../support/gateway.ts"
import { http2InTests, serve } from "../listener/clients.ts"

// Two handlers serve gRPC: the fast path takes nearly all calls, connect-es the rest. Clients must not see which.

const gateway = Effect.gen(function* () {
  const { gate } = yield* Effect.acquireRelease(
    Effect.promise(() => startGateway()),
    ({ close }) => Effect.promise(close)
  )
  const rpc = gatewayRpcHandler(gate)
  const grpc = grpcHandler(grpcMethods(gate))
  const taken: Array<boolean> = []
  const onStream: StreamHandler = (stream) => {
    const isTaken = grpc(stream)
    taken.push(isTaken)
    return isTaken
  }
  const { url } = yield* serve((request, response) => rpc.serve(request, response), { onStream, graceMs: 0 })
  return { baseUrl: url, taken }
})

/** Which streams the fast path takes: on Node's HTTP/2 it is not asked. */
const seen = (...taken: ReadonlyArray<boolean>) => (http2InTests === "own" ? taken : [])

interface Answer {
  readonly headers: IncomingHttpHeaders
  readonly trailers: IncomingHttpHeaders
}

/** One request as it is written here; what a client library would never send. */
const raw = (baseUrl: string, path: string, headers: Record<string, string>, body: Uint8Array) =>
  Effect.callback<Answer>((resume) => {
    const session = connectHttp2(baseUrl)
    const stream = session.request({ ":method": "POST", ":path": path, te: "trailers", ...headers })
    let answer: IncomingHttpHeaders = {}
    let trailers: IncomingHttpHeaders = {}
    stream.on("response", (got) => {
      answer = got
    })
    stream.on("trailers", (got) => {
      trailers = got
    })
    const done = () => {
      session.destroy()
      resume(Effect.succeed({ headers: answer, trailers }))
    }
    stream
      .on("close", done)
      .on("error", () => {})
      .resume()
      .end(body)
    return Effect.sync(() => session.destroy())
  })

const framed = (message: Uint8Array, flags = 0) => {
  const frame = Buffer.alloc(5 + message.length)
  frame[0] = flags
  frame.writeUInt32BE(message.length, 1)
  frame.set(message, 5)
  return frame
}

const statusOf = ({ headers, trailers }: Answer) => headers["grpc-status"] ?? trailers["grpc-status"]

const entity = create(EntitySchema, { domain: "d", type: "t", key: "k", values: { n: 1 } })
const stream = toBinary(StreamOptsSchema, create(StreamOptsSchema, { domain: "d", type: "*", key: "*" }))
const set = "/stategate.EntityService/Set"
const follow = "/stategate.EventService/Stream"
const malformed = framed(Uint8Array.of(0xff, 0xff))

describe("which handler serves a call", () => {
  const grpc = (options: Partial<GrpcTransportOptions>) => (baseUrl: string) =>
    createGrpcTransport({ baseUrl, ...options })
  const gzip = { sendCompression: compressionGzip, compressMinBytes: 0 }
  const brotli = { sendCompression: compressionBrotli, compressMinBytes: 0, acceptCompression: [compressionBrotli] }
  const transports = {
    "gRPC in binary: the fast path": { isFast: true, transport: grpc({}) },
    "gRPC in JSON: connect-es": { isFast: false, transport: grpc({ useBinaryFormat: false }) },
    "gRPC with gzip: connect-es": { isFast: false, transport: grpc(gzip) },
    "gRPC with brotli: connect-es": { isFast: false, transport: grpc(brotli) },
    "gRPC-web: connect-es": {
      isFast: false,
      transport: (baseUrl: string) => createGrpcWebTransport({ baseUrl, httpVersion: "2", ...gzip })
    },
    "Connect: connect-es": {
      isFast: false,
      transport: (baseUrl: string) => createConnectTransport({ baseUrl, httpVersion: "2", ...brotli })
    }
  } as const
  for (const [name, { isFast, transport }] of Object.entries(transports)) {
    it.live(name, () =>
      Effect.gen(function* () {
        const { baseUrl, taken } = yield* gateway
        const client = createClient(EntityService, transport(baseUrl))
        yield* Effect.promise(() => client.set(entity))
        const found = yield* Effect.promise(() => client.get({ domain: "d", type: "t", key: "k" }))
        assert.deepStrictEqual(found.values, { n: 1 })
        assert.deepStrictEqual(taken, seen(isFast, isFast))
      })
    )
  }

  it.live("streams: the fast path", () =>
    Effect.gen(function* () {
      const { baseUrl, taken } = yield* gateway
      yield* Effect.promise(async () => {
        const transport = createGrpcTransport({ baseUrl })
        await createClient(EntityService, transport).set(entity)
        const events = createClient(EventService, transport).stream({
          domain: "d",
          type: "*",
          key: "*",
          start: { case: "beginning", value: true }
        })
        for await (const event of events) {
          assert.deepStrictEqual(event.entity?.values, { n: 1 })
          break
        }
      })
      assert.deepStrictEqual(taken, seen(true, true))
    })
  )
})

describe("what cannot be read is the caller's mistake, by both handlers", () => {
  const type = { "content-type": "application/grpc" }
  const message = framed(toBinary(EntitySchema, entity))
  const cases = {
    "a message that is none": [set, type, malformed, "3"],
    "a message that is none, in a stream": [follow, type, malformed, "3"],
    "no message": [set, type, new Uint8Array(0), "12"],
    "no message, in a stream": [follow, type, new Uint8Array(0), "12"],
    "two messages": [set, type, Buffer.concat([message, message]), "12"],
    "a message that is cut short": [set, type, message.subarray(0, -1), "3"],
    "a message that is cut short, in a stream": [follow, type, framed(stream).subarray(0, -1), "3"],
    "a compressed message that does not say how": [set, type, framed(Uint8Array.of(0), 1), "13"],
    "a compressed message that does not say how, in a stream": [follow, type, framed(Uint8Array.of(0), 1), "13"],
    "a compression that nobody knows": [set, { ...type, "grpc-encoding": "rot13" }, message, "12"],
    "a deadline without a unit": [set, { ...type, "grpc-timeout": "10" }, message, "3"],
    "a deadline without a number": [set, { ...type, "grpc-timeout": "S" }, message, "3"],
    "a negative deadline": [set, { ...type, "grpc-timeout": "-1S" }, message, "3"],
    "a deadline of nine digits": [set, { ...type, "grpc-timeout": "100000000n" }, message, "3"],
    "a deadline without a number, in a stream": [follow, { ...type, "grpc-timeout": "S" }, framed(stream), "3"]
  } as const
  for (const [name, [path, headers, body, status]] of Object.entries(cases)) {
    it.live(name, () =>
      Effect.gen(function* () {
        const { baseUrl } = yield* gateway
        assert.strictEqual(statusOf(yield* raw(baseUrl, path, headers, body)), status)
      })
    )
    // A call that names a compression is served by connect-es, and need not use it.
    if (name.includes("compress")) continue
    it.live(`${name}, from a client that compresses`, () =>
      Effect.gen(function* () {
        const { baseUrl, taken } = yield* gateway
        const compressing = { ...headers, "grpc-encoding": "gzip" }
        assert.strictEqual(statusOf(yield* raw(baseUrl, path, compressing, body)), status)
        assert.deepStrictEqual(taken, seen(false))
      })
    )
  }
})

describe("deadlines", () => {
  const message = framed(toBinary(EntitySchema, entity))
  const json = Buffer.from(JSON.stringify({ domain: "d", type: "t", key: "k", values: {} }))

  for (const timeout of ["5M", "99999999H"]) {
    it.live(`of ${timeout} are accepted, by both handlers`, () =>
      Effect.gen(function* () {
        const { baseUrl, taken } = yield* gateway
        const headers = { "content-type": "application/grpc", "grpc-timeout": timeout }
        assert.strictEqual(statusOf(yield* raw(baseUrl, set, headers, message)), "0")
        const inJson = { ...headers, "content-type": "application/grpc+json" }
        assert.strictEqual(statusOf(yield* raw(baseUrl, set, inJson, framed(json))), "0")
        assert.deepStrictEqual(taken, seen(true, false))
      })
    )
  }

  it.live("of a stream end it, and are reported as such", () =>
    Effect.gen(function* () {
      const { baseUrl } = yield* gateway
      const headers = { "content-type": "application/grpc", "grpc-timeout": "100m" }
      assert.strictEqual(statusOf(yield* raw(baseUrl, follow, headers, framed(stream))), "4")
      const compressing = { ...headers, "grpc-encoding": "gzip" }
      assert.strictEqual(statusOf(yield* raw(baseUrl, follow, compressing, framed(stream))), "4")
    })
  )
})
