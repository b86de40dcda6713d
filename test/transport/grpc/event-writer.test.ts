import { fromBinary, toBinary } from "@bufbuild/protobuf"
import fc from "fast-check"
import { assert, describe, test } from "vitest"
import { streamMessage } from "../../../adapters/transport/call/messages.ts"
import type { StreamItem } from "../../../adapters/transport/call/pipeline.ts"
import { streamFrames } from "../../../adapters/transport/grpc/event-writer.ts"
import { type Event, methods } from "../../../domain/event.ts"
import type { JsonObject } from "../../../domain/json.ts"
import { EventSchema } from "../../../proto/gen/stategate/stategate_pb.js"

const prefixBytes = 5

/** The bodies of the messages in the frames. */
const bodiesOf = (frames: Buffer): ReadonlyArray<Buffer> => {
  const bodies: Array<Buffer> = []
  for (let at = 0; at < frames.length; ) {
    assert.strictEqual(frames[at], 0, "not compressed")
    const end = at + prefixBytes + frames.readUInt32BE(at + 1)
    bodies.push(frames.subarray(at + prefixBytes, end))
    at = end
  }
  return bodies
}

const text = fc.oneof(
  fc.string({ unit: "grapheme", maxLength: 100 }),
  fc.string({ maxLength: 60 }),
  fc.constantFrom("", "a".repeat(47), "a".repeat(127), "ä".repeat(63), "日".repeat(5_500), "x".repeat(40_000))
)
const number = fc.oneof(fc.double({ noNaN: true, noDefaultInfinity: true }), fc.integer(), fc.constantFrom(0, -0))
const { object } = fc.letrec<{ json: JsonObject[string]; object: JsonObject }>((tie) => ({
  json: fc.oneof({ maxDepth: 5 }, fc.constant(null), fc.boolean(), number, text, fc.array(tie("json")), tie("object")),
  object: fc.dictionary(text, tie("json"), { maxKeys: 5 })
}))
const uint64 = fc.oneof(
  fc.bigInt({ min: 0n, max: 2n ** 63n - 1n }),
  fc.constantFrom(0n, 1n, 127n, 128n, 2n ** 31n, 2n ** 53n - 1n, 2n ** 53n, 2n ** 53n + 1n)
)
const event: fc.Arbitrary<Event> = fc.record(
  {
    id: text,
    position: uint64,
    time: uint64,
    method: fc.constantFrom(...Object.values(methods)),
    entity: fc.record({ domain: text, type: text, key: text, values: object, version: uint64 }),
    claims: object,
    idempotency: fc.record({ caller: text, key: text, hash: text }),
    traceparent: text,
    erased: fc.boolean()
  },
  { requiredKeys: ["id", "position", "time", "method", "entity", "claims", "erased"] }
)
const item: fc.Arbitrary<StreamItem> = fc.record({ event, cursor: text }, { requiredKeys: ["cursor"] })

describe("what streams send", () => {
  test("is byte for byte what protobuf-es makes of the same messages", () => {
    fc.assert(
      fc.property(fc.array(item, { maxLength: 4 }), (items) => {
        const bodies = bodiesOf(streamFrames(items))
        assert.strictEqual(bodies.length, items.length)
        for (const [i, body] of bodies.entries()) {
          const message = streamMessage(items[i]!)
          assert.deepStrictEqual(body, Buffer.from(toBinary(EventSchema, message)))
          assert.deepStrictEqual(fromBinary(EventSchema, body), fromBinary(EventSchema, toBinary(EventSchema, message)))
        }
      }),
      { numRuns: 300 }
    )
  })

  test("grows with what it has to hold", () => {
    const large: StreamItem = { cursor: "c".repeat(300_000) }
    const [body] = bodiesOf(streamFrames([large]))
    assert.strictEqual(fromBinary(EventSchema, body!).cursor, large.cursor)
  })
})
