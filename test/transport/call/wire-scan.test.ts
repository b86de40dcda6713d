import { create, fromBinary, fromJson, type JsonObject, toBinary } from "@bufbuild/protobuf"
import { ValueSchema } from "@bufbuild/protobuf/wkt"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { wireProblem } from "../../../adapters/transport/call/wire-scan.ts"
import { ApplyRequestSchema, EntitySchema, StreamOptsSchema } from "../../../proto/gen/stategate/stategate_pb.js"

const hex = (text: string) => Buffer.from(text.replaceAll(" ", ""), "hex")

const entity = (values: JsonObject) => toBinary(EntitySchema, create(EntitySchema, { domain: "d", values }))

const apply = (values: ReadonlyArray<JsonObject>) => {
  const commands = values.map((one) => ({ do: { case: "set" as const, value: create(EntitySchema, { values: one }) } }))
  return toBinary(ApplyRequestSchema, create(ApplyRequestSchema, { domain: "d", commands }))
}

describe("what can be decoded passes", () => {
  it("whatever JSON the values are", () => {
    const json = fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 4 }) as fc.Arbitrary<never>)
    fc.assert(
      fc.property(json, (values) => {
        expect(wireProblem(EntitySchema, entity(values))).toBeUndefined()
        expect(wireProblem(ApplyRequestSchema, apply([values, values]))).toBeUndefined()
      })
    )
  })

  it("fields that nobody knows, groups among them", () => {
    const strangers = hex("f80101 f9010011223344556677 fd0111223344 fa01026869 fb01 0801 fc01")
    expect(wireProblem(EntitySchema, strangers)).toBeUndefined()
    expect(fromBinary(EntitySchema, strangers, { readUnknownFields: false }).$unknown).toBeUndefined()
  })

  it("a field that is there again, as protocol buffers have it", () => {
    const twice = Buffer.concat([entity({ a: 1 }), entity({ b: 2 })])
    expect(wireProblem(EntitySchema, twice)).toBeUndefined()
  })
})

describe("what the decoder would read otherwise than this, or not at all, is refused", () => {
  it("every message that is cut short or changed: it passes here only if it can be decoded", () => {
    const whole = apply([{ a: [1, { b: null }], c: "text" }, { d: true }])
    fc.assert(
      fc.property(fc.nat(whole.length), fc.nat(whole.length - 1), fc.nat(255), fc.boolean(), (end, at, byte, cuts) => {
        const bytes = Uint8Array.from(cuts ? whole.subarray(0, end) : whole)
        if (!cuts) bytes[at] = byte
        if (wireProblem(ApplyRequestSchema, bytes) !== undefined) return
        try {
          fromBinary(ApplyRequestSchema, bytes)
        } catch (error) {
          // Whether text is UTF-8 is looked at when it is decoded, and costs no more than the text.
          expect(String(error)).toMatch(/UTF-?8|utf-?8|encoded data/i)
        }
      }),
      { numRuns: 2_000 }
    )
  })

  it.each([
    ["a number where there is a text", "0801"],
    ["a text where there is a number", "2a0161"],
    ["a field of number 0", "00"],
    ["a group that does not end", "f301"],
    ["an end of a group that did not begin", "f401"],
    ["a length beyond the end", "0a7f"],
    ["a length of more than 32 bits", "0affffffff7f61"],
    ["a number of eleven bytes", "28ffffffffffffffffffffff01"],
    ["a wire type that there is not", "0f"]
  ])("%s", (_, bytes) => {
    expect(wireProblem(EntitySchema, hex(bytes))?.rule).toMatch(/^cannot be read: it is malformed at byte \d+$/)
  })

  it("messages in one another without end", () => {
    let bytes = new Uint8Array(0)
    for (let depth = 0; depth < 400; depth++) {
      const head = [0x32, ...varint(bytes.length + 1 + varint(bytes.length).length), 0x0a, ...varint(bytes.length)]
      bytes = Uint8Array.from([...head, ...bytes])
    }
    expect(wireProblem(ValueSchema, bytes)?.rule).toMatch(/nests deeper than \d+ messages/)
  })
})

const varint = (value: number): ReadonlyArray<number> =>
  value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...varint(value >>> 7)]

/** A field with a length. */
const part = (number: number, ...parts: ReadonlyArray<Uint8Array>): Uint8Array => {
  const body = Buffer.concat(parts)
  return Uint8Array.from([(number << 3) | 2, ...varint(body.length), ...body])
}
const key = (text: string) => part(1, Buffer.from(text))
const values = (...entry: ReadonlyArray<Uint8Array>) => part(4, part(1, ...entry))
const none = part(2)
const list = (...items: ReadonlyArray<Uint8Array>) => part(2, part(6, ...items.map((item) => part(1, item))))
const object = (...entry: ReadonlyArray<Uint8Array>) => part(5, part(1, ...entry))
const isNull = hex("0800")

describe("a value of no kind is refused, by its path", () => {
  it.each([
    ["an empty value", values(key("a"), none), "values.a"],
    ["an entry without a value", values(key("a")), "values.a"],
    ["a value before its key", values(none, key("a")), "values.a"],
    ["an entry without a key", values(none), 'values.""'],
    ["in a list", values(key("a"), list(isNull, isNull, hex(""))), "values.a[2]"],
    ["in an object in a list", values(key("a"), list(object(key("b"), none))), "values.a[0].b"],
    ["with a field that nobody knows", values(key("a"), part(2, hex("f80101"))), "values.a"]
  ])("%s", (_, bytes, field) => {
    expect(wireProblem(EntitySchema, bytes)).toEqual({ field, rule: expect.stringMatching(/^must be null, a n/) })
  })

  it("within a command", () => {
    const commands = [part(2, part(4)), part(2, part(1, values(key("b"), none)))]
    expect(wireProblem(ApplyRequestSchema, Buffer.concat(commands))).toEqual({
      field: "commands[1].set.values.b",
      rule: expect.stringMatching(/^must be null/)
    })
  })

  it("null is a kind", () => {
    const message = fromJson(EntitySchema, { values: { a: null, b: [null] } })
    expect(wireProblem(EntitySchema, toBinary(EntitySchema, message))).toBeUndefined()
  })
})

describe("a message of too many fields is refused, however they are put", () => {
  const lots = { field: expect.any(String), rule: "must not hold more than 2000 fields" }

  it.each([
    ["unknown ones", EntitySchema, Buffer.alloc(6_003, hex("f80100"))],
    ["the same one", EntitySchema, Buffer.alloc(4_002, hex("2800"))],
    ["empty commands", ApplyRequestSchema, Buffer.alloc(4_002, hex("1200"))],
    ["commands with unknown fields", ApplyRequestSchema, Buffer.alloc(5_005, hex("1203f80100"))],
    ["entries", EntitySchema, entity(Object.fromEntries(Array.from({ length: 501 }, (_, i) => [`${i}`, i])))],
    ["a list", EntitySchema, entity({ a: Array.from({ length: 1_001 }, () => 1) })],
    ["groups", StreamOptsSchema, Buffer.alloc(8_004, hex("f301f401"))]
  ])("%s", (_, desc, bytes) => {
    expect(wireProblem(desc, bytes, 1_000)).toEqual(lots)
  })

  it("one less passes", () => {
    expect(wireProblem(ApplyRequestSchema, Buffer.alloc(4_000, hex("1200")), 1_000)).toBeUndefined()
  })
})
