import { create, toBinary } from "@bufbuild/protobuf"
import { type StringValue, StringValueSchema } from "@bufbuild/protobuf/wkt"
import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import { type GrpcMethod, grpcHandler } from "../../../adapters/transport/grpc/grpc.ts"
import { call, echo, serve, session } from "../listener/clients.ts"

const limits = { sessionWindowBytes: 70_000, streamWindowBytes: 65_535 }

it.live("large messages that come in side by side all come in whole", () =>
  Effect.gen(function* () {
    // More of them than the window of the connection holds: none may wait for room that only its end would make.
    const lengths: GrpcMethod = {
      input: StringValueSchema,
      output: StringValueSchema,
      begin: (_, read, { done }) => {
        const { value } = read() as StringValue
        done({ message: create(StringValueSchema, { value: String(value.length) }) })
        return () => {}
      },
      refused: () => {}
    }
    const { url } = yield* serve(echo, { limits, onStream: grpcHandler(new Map([["/lengths", lengths]])) })
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
