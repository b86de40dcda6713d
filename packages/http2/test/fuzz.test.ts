import { assert, describe, test } from "vitest"
import { ConnectionError } from "../frames.ts"
import { CompressionError, HpackDecoder } from "../hpack-decoder.ts"
import { FrameReader } from "../reader.ts"
import { corpus, firstSeed, inputs, mutated, randomOf } from "./fuzz.ts"

// Any bytes at all: nothing but the errors that end a connection, and no more memory or time than the bytes warrant.

const blocks = corpus("hpack")
const connections = corpus("connection")

test("there is a corpus", () => {
  assert.isAbove(blocks.length, 10)
  assert.isAbove(connections.length, 10)
})

describe("the decoder of header blocks", () => {
  /** Decodes them all, as a connection would. What is no error of compression fails the test. */
  const decode = (some: ReadonlyArray<Buffer>) => {
    const decoder = new HpackDecoder()
    for (const block of some) {
      let fields = 0
      try {
        decoder.decode(block, 100_000, (name, value) => {
          fields += 1
          // One byte is at most 8/5 characters of Huffman code, or names a field of the table.
          assert.isAtMost(name.length + value.length, Math.max(4_096, 2 * block.length))
        })
      } catch (error) {
        assert.instanceOf(error, CompressionError)
        return
      }
      assert.isAtMost(fields, block.length)
    }
  }

  test("on what is kept", () => {
    for (const [, block] of blocks) decode([block])
    decode(blocks.map(([, block]) => block))
  })

  test("on changes of it", () => {
    for (let seed = firstSeed; seed < firstSeed + inputs(10_000); seed++) {
      const random = randomOf(seed)
      const some = Array.from({ length: 1 + random.below(3) }, () => mutated(random.of(blocks)[1], random))
      try {
        decode(some)
      } catch (error) {
        throw new Error(`seed ${seed}: ${some.map((one) => one.toString("hex")).join(" | ")}`, { cause: error })
      }
    }
  })
})

describe("the reader of frames", () => {
  /** The frames in these bytes, and the code that ended them, when they come in pieces of so many. */
  const read = (bytes: Buffer, sizeOf: () => number) => {
    const frames: Array<string> = []
    const reader = new FrameReader((type, flags, stream, payload) => {
      frames.push(`${type} ${flags} ${stream} ${payload.toString("hex")}`)
    })
    try {
      for (let at = 0; at < bytes.length; ) {
        const size = Math.max(1, sizeOf())
        reader.read(bytes.subarray(at, at + size))
        at += size
      }
    } catch (error) {
      assert.instanceOf(error, ConnectionError)
      return { frames, code: (error as ConnectionError).code }
    }
    return { frames, code: undefined }
  }

  test("means the same whatever the pieces, on changes of what is kept", () => {
    for (let seed = firstSeed; seed < firstSeed + inputs(4_000); seed++) {
      const random = randomOf(seed)
      const bytes = mutated(random.of(connections)[1], random)
      const whole = read(bytes, () => bytes.length)
      assert.deepStrictEqual(
        read(bytes, () => random.below(40)),
        whole,
        `seed ${seed}: ${bytes.toString("hex")}`
      )
    }
  })
})
