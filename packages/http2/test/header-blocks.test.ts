import fc from "fast-check"
import { assert, describe, test } from "vitest"
import { ConnectionError, frameTypes } from "../frames.ts"
import { readHead } from "../head.ts"
import { HeaderBlocks } from "../header-blocks.ts"
import { HpackDecoder } from "../hpack-decoder.ts"
import { held } from "./garbage.ts"

const limits = { headerBytesMax: 2_000, headersMax: 20, headerBlockBytesMax: 65_536 }

/** A text of HPACK that is not compressed, shorter than 127 bytes. */
const text = (chars: string) => Buffer.concat([Buffer.from([chars.length]), Buffer.from(chars, "latin1")])
/** A field that is read and, if `isKept`, put into the table. */
const field = (name: string, value: string, isKept = false) =>
  Buffer.concat([Buffer.from([isKept ? 0x40 : 0x00]), text(name), text(value)])
/** `GET http://a/`, and whatever else is asked for. */
const get = (...more: ReadonlyArray<Buffer>) =>
  Buffer.concat([Buffer.from([0x82, 0x86, 0x84, 0x01, 0x01, 0x61]), ...more])

describe("cached heads", () => {
  // The table takes nothing, some, and everything.
  const sizes = fc.constantFrom("", "", "", "20", "3f64", "3fe11f").map((hex) => Buffer.from(hex, "hex"))
  const fields = fc.oneof(
    // The newest of the table, and one of those that are always there.
    fc.integer({ min: 0xbe, max: 0xc1 }).map((byte) => Buffer.from([byte])),
    fc.constant(Buffer.from([0x90])),
    fc
      .tuple(fc.constantFrom("a", "b", "host"), fc.constantFrom("", "1", "x".repeat(100)), fc.boolean())
      .map((some) => field(...some))
  )
  const blocks = fc
    .tuple(sizes, fc.array(fields, { maxLength: 3 }))
    .map(([size, some]) => Buffer.concat([size, get(...some)]))
  const table = get(...["a", "b", "c", "d"].map((name) => field(name, "1", true)))

  test("equal what decoding gives, whatever came in between", () => {
    fc.assert(
      fc.property(
        fc.array(blocks, { minLength: 1, maxLength: 5 }),
        fc.array(fc.nat(), { maxLength: 40 }),
        (some, order) => {
          const heads = new HeaderBlocks(limits)
          const decoder = new HpackDecoder()
          for (const block of [table, ...order.map((i) => some[i % some.length]!)]) {
            let expected: unknown
            try {
              expected = readHead(decoder, block, limits)
            } catch {
              assert.throws(() => heads.request(block), ConnectionError)
              return
            }
            assert.deepStrictEqual(heads.request(block), expected)
          }
        }
      ),
      { numRuns: 1_000 }
    )
  })

  test("are the latest, when there are many", () => {
    const heads = new HeaderBlocks(limits)
    for (let i = 0; i < 100; i++) heads.request(get(field("x-request", String(i))))
    const block = get(field("x-request", "again"))
    assert.strictEqual(heads.request(block), heads.request(block))
  })

  test("are not large, however few bytes encode them", () => {
    const heads = new HeaderBlocks({ ...limits, headerBytesMax: 100_000, headersMax: 100 })
    const long = "x".repeat(120)
    heads.request(get(...Array.from({ length: 20 }, () => field("x-a", long, true))))
    for (const block of [get(...Array.from({ length: 30 }, () => field("x-a", long))), get(Buffer.alloc(40, 0xbe))]) {
      const head = heads.request(block)
      assert.isFalse(head?.isOversized)
      assert.notStrictEqual(heads.request(block), head)
    }
  })
})

test("a text that is compressed takes no more than its characters once it is read", async () => {
  // A list that is too large is not looked at, but what it puts into the table is.
  const block = get(
    ...Array.from({ length: 20 }, () => field("x-a", "x".repeat(100))),
    // 2,500 bytes of Huffman code, 4,000 times the letter a.
    Buffer.concat([Buffer.from([0x40]), text("b"), Buffer.from([0xff, 0xc5, 0x12])]),
    Buffer.from(Array.from({ length: 500 }, () => [0x18, 0xc6, 0x31, 0x8c, 0x63]).flat())
  )
  await held([])
  const before = process.memoryUsage().heapUsed
  const all = Array.from({ length: 300 }, () => {
    const heads = new HeaderBlocks(limits)
    assert.isTrue(heads.request(block)?.isOversized)
    return heads
  })
  await held([])
  assert.isBelow((process.memoryUsage().heapUsed - before) / all.length, 40_000)
})

test("a header block that does not come to its end is given up, though nothing comes in its frames", () => {
  const heads = new HeaderBlocks(limits)
  heads.frame(frameTypes.headers, 0, 1, get())
  assert.throws(() => {
    for (let i = 0; i < limits.headersMax; i++) heads.frame(frameTypes.continuation, 0, 1, Buffer.alloc(0))
  }, ConnectionError)
})
