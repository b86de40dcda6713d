import { request } from "node:http"
import { create, toBinary } from "@bufbuild/protobuf"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { gatewayRpcHandler } from "../../../adapters/transport/connect/node.ts"
import { EntityRefSchema, EntitySchema, StreamOptsSchema } from "../../../proto/gen/stategate/stategate_pb.js"
import { startGateway } from "../../support/gateway.ts"
import { serve } from "../listener/clients.ts"

const gateway = Effect.gen(function* () {
  const { gate, records } = yield* Effect.acquireRelease(
    Effect.promise(() => startGateway()),
    ({ close }) => Effect.promise(close)
  )
  const rpc = gatewayRpcHandler(gate)
  const { url } = yield* serve((from, to) => rpc.serve(from, to), { graceMs: 0 })
  return { url, records }
})

const frame = (message: Uint8Array) => {
  const head = Buffer.alloc(5)
  head.writeUInt32BE(message.length, 1)
  return Buffer.concat([head, message])
}

const text = "application/grpc-web-text"

interface Sent {
  readonly type?: string
  readonly accept?: string
  readonly enough?: (frames: ReadonlyArray<Frame>) => boolean
}

interface Frame {
  readonly flags: number
  readonly data: Buffer
}

/** The frames in texts that are each padded by themselves. */
const framesIn = (body: string): ReadonlyArray<Frame> => {
  const parts = body.match(/[A-Za-z0-9+/]+={0,2}/g) ?? []
  assert.strictEqual(parts.join(""), body)
  const bytes = Buffer.concat(parts.map((part) => Buffer.from(part, "base64")))
  const frames: Array<Frame> = []
  for (let at = 0; at + 5 <= bytes.length; ) {
    const end = at + 5 + bytes.readUInt32BE(at + 1)
    frames.push({ flags: bytes[at]!, data: bytes.subarray(at + 5, end) })
    at = end
  }
  return frames
}

const call = (url: string, path: string, body: string, { type = text, accept = text, enough }: Sent = {}) =>
  Effect.callback<{ status: number; type: string | undefined; frames: ReadonlyArray<Frame> }>((resume) => {
    const headers = { "content-type": type, accept }
    const sent = request(`${url}/stategate.${path}`, { method: "POST", headers }, (answer) => {
      let received = ""
      const done = () => {
        sent.destroy()
        const { statusCode: status = 0, headers: got } = answer
        resume(Effect.succeed({ status, type: got["content-type"], frames: framesIn(received) }))
      }
      answer.setEncoding("latin1").on("data", (chunk) => {
        received += chunk
        if (enough?.(framesIn(received))) done()
      })
      answer.on("end", done)
    })
    sent.on("error", () => {})
    sent.end(body)
  })

const set = frame(toBinary(EntitySchema, create(EntitySchema, { domain: "d", type: "t", key: "k", values: { n: 1 } })))
const get = frame(toBinary(EntityRefSchema, create(EntityRefSchema, { domain: "d", type: "t", key: "k" })))
const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString("base64")
const trailers = (frames: ReadonlyArray<Frame>) => {
  const last = frames.at(-1)!
  assert.strictEqual(last.flags, 0x80)
  return last.data.toString()
}

describe("gRPC-web as text", () => {
  it.live("unary calls, whatever parts the body has", () =>
    Effect.gen(function* () {
      const { url, records } = yield* gateway
      const parts = [set.subarray(0, 4), set.subarray(4, 5), set.subarray(5, 15), set.subarray(15)]
      const stored = yield* call(url, "EntityService/Set", parts.map(base64).join(""))
      assert.deepStrictEqual([stored.status, stored.type], [200, `${text}+proto`])
      assert.match(trailers(stored.frames), /^grpc-status: 0\r\n/m)
      const found = yield* call(url, "EntityService/Get", base64(get), { type: `${text}+proto` })
      assert.strictEqual(found.frames.length, 2)
      assert.include(found.frames[0]!.data.toString("latin1"), "\x01n")
      assert.deepStrictEqual(
        records.map(({ protocol, code }) => [protocol, code]),
        [
          ["grpc-web", "ok"],
          ["grpc-web", "ok"]
        ]
      )
    })
  )

  it.live("a stream, event by event", () =>
    Effect.gen(function* () {
      const { url } = yield* gateway
      for (let i = 0; i < 3; i++) yield* call(url, "EntityService/Set", base64(set))
      const options = create(StreamOptsSchema, { domain: "d", type: "*", start: { case: "beginning", value: true } })
      const { type, frames } = yield* call(
        url,
        "EventService/Stream",
        base64(frame(toBinary(StreamOptsSchema, options))),
        { enough: (some) => some.length === 3 }
      )
      assert.strictEqual(type, `${text}+proto`)
      assert.deepStrictEqual(
        frames.map(({ flags }) => flags),
        [0, 0, 0]
      )
    })
  )

  it.live("failures are trailers in a frame, of calls and of bodies that cannot be read", () =>
    Effect.gen(function* () {
      const { url } = yield* gateway
      const missing = yield* call(url, "EntityService/Get", base64(get))
      assert.match(trailers(missing.frames), /^grpc-status: 5\r\n/m)
      for (const body of ["!!!!", "AAA", "A===", `${base64(get)}=`, base64(frame(Buffer.from([0x0a, 0x7f])))]) {
        const refused = yield* call(url, "EntityService/Get", body)
        assert.deepStrictEqual([refused.status, refused.type], [200, `${text}+proto`])
        assert.match(trailers(refused.frames), /^grpc-status: 3\r\n/m, body)
      }
    })
  )

  it.live("a client may send one form and accept the other", () =>
    Effect.gen(function* () {
      const { url } = yield* gateway
      const { type, frames } = yield* call(url, "EntityService/Get", get.toString("latin1"), {
        type: "application/grpc-web+proto",
        accept: text
      })
      assert.strictEqual(type, `${text}+proto`)
      assert.match(trailers(frames), /^grpc-status: 5\r\n/m)
    })
  )
})
