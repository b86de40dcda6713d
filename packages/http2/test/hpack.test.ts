import fc from "fast-check"
import { assert, describe, test } from "vitest"
import type { Field } from "../fields.ts"
import { CompressionError, HpackDecoder } from "../hpack-decoder.ts"
import { bytesAtMost, HpackEncoder } from "../hpack-encoder.ts"

const decoded = (decoder: HpackDecoder, block: Buffer, bytesMax = 1_000_000) => {
  const fields: Array<Field> = []
  const { whole } = decoder.decode(block, bytesMax, (name, value) => fields.push([name, value]))
  return { fields, whole }
}

const encoded = (encoder: HpackEncoder, fields: ReadonlyArray<Field>): Buffer => {
  const room = Buffer.alloc(bytesAtMost(fields))
  return room.subarray(0, encoder.encode(fields, room, 0))
}

const hex = (...lines: ReadonlyArray<string>) => Buffer.from(lines.join("").replaceAll(" ", ""), "hex")

describe("a block that cannot be decoded ends the connection", () => {
  const bad: ReadonlyArray<readonly [what: string, block: Buffer]> = [
    ["an index of nothing", hex("80")],
    ["an index beyond the tables", hex("be")],
    ["a text that is cut short", hex("410f 77")],
    ["an integer without end", hex("ffff ffff ffff ffff ff")],
    ["a table larger than agreed", hex("3fe2 1f")],
    ["a table size behind a field", hex("82 20")],
    ["padding of zeroes", hex("4181 00")],
    ["padding of a byte", hex("4182 1fff")],
    ["the end of a text within it", hex("4184 ffff ffff")]
  ]
  for (const [what, block] of bad) {
    test(what, () => assert.throws(() => decoded(new HpackDecoder(), block), CompressionError))
  }
})

test("a list that is too long is read to its end: the blocks after it depend on it", () => {
  const decoder = new HpackDecoder()
  const block = hex("8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d")
  const { fields, whole } = decoded(decoder, block, 100)
  assert.isFalse(whole)
  // 42 and 43 bytes: what comes behind is not handed on (CVE-2016-6581).
  assert.strictEqual(fields.length, 2)
  assert.deepStrictEqual(decoded(decoder, hex("be")).fields, [[":authority", "www.example.com"]])
})

const names = fc.oneof(
  fc.constantFrom(":status", "content-type", "grpc-status", "etag", "date", "x-request-id"),
  fc.stringMatching(/^[a-z][a-z0-9-]{0,20}$/)
)
const values = fc.oneof(
  fc.constantFrom("200", "404", "0", "5", "application/grpc+proto", "application/json", ""),
  fc.string({ unit: fc.integer({ min: 32, max: 255 }).map((code) => String.fromCharCode(code)), maxLength: 300 })
)
const blocks = fc.array(fc.array(fc.tuple(names, values), { maxLength: 12 }), { maxLength: 12 })

test("what is written is read, block after block, also when the peer grants no table", () => {
  fc.assert(
    fc.property(blocks, fc.nat({ max: 12 }), (some, limitedAt) => {
      const encoder = new HpackEncoder()
      const decoder = new HpackDecoder()
      for (const [i, fields] of some.entries()) {
        if (i === limitedAt) encoder.limit(0)
        assert.deepStrictEqual(decoded(decoder, encoded(encoder, fields)).fields, fields)
      }
    })
  )
})
