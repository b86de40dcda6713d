import { Duplex } from "node:stream"
import { assert, describe, test } from "vitest"
import type { Stream } from "../index.ts"
import { http2 } from "../index.ts"
import { frame, preface } from "./clients.ts"
import { block, getFields, indexed, postFields } from "./fields.ts"
import { corpus, firstSeed, inputs, mutated, type Random, randomOf } from "./fuzz.ts"
import { wideLimits } from "./limits.ts"

// Whole connections: whatever a client sends, nothing is thrown but what ends its connection, every stream that began
// comes to its end, and what is held stays within the limits.

const limits = {
  ...wideLimits,
  sessionWindowBytes: 100_000,
  streamWindowBytes: 65_535,
  streamsPerSessionMax: 8,
  unreadLingerMs: 5,
  heldBytesMax: 50_000
}

/** A fake socket: written bytes are counted and discarded. */
class Pipe extends Duplex {
  written = 0
  override _read(): void {}
  override _write(chunk: Buffer, _: BufferEncoding, done: () => void): void {
    this.written += chunk.length
    done()
  }
  setNoDelay(): this {
    return this
  }
}

/** Serves these pieces, and answers each request in one of several ways. */
const serve = async (pieces: ReadonlyArray<Buffer>, random: Random) => {
  const faults: Array<unknown> = []
  const open = new Set<Stream>()
  let begun = 0
  const server = http2(limits, {
    handler: () => {},
    onFault: (cause) => faults.push(cause),
    onStream: (stream) => {
      begun += 1
      open.add(stream)
      const way = random.below(4)
      stream.receiver = {
        onData: (bytes) => stream.taken(bytes.length),
        onEnd: () => {
          if (way === 0) return
          stream.respond([[":status", "200"]])
          stream.write(Buffer.alloc(way === 1 ? 100_000 : 10))
          stream.end(way === 2 ? [["x", "y"]] : [])
        },
        onDrain: () => {},
        onClose: () => {
          assert.isTrue(open.delete(stream), "a stream ends once")
        }
      }
      if (way === 3) stream.respond([[":status", "204"]], true)
      return true
    }
  })
  const socket = new Pipe()
  server.accept(socket as unknown as Parameters<typeof server.accept>[0])
  for (const piece of pieces) {
    if (socket.destroyed) break
    socket.push(piece)
    await new Promise(setImmediate)
    assert.isAtMost(open.size, limits.streamsPerSessionMax)
  }
  socket.push(null)
  await new Promise(setImmediate)
  // A peer that says nothing more may still wait for answers; one that has gone does not.
  socket.destroy()
  await new Promise(setImmediate)
  server.close()
  assert.deepStrictEqual(faults, [])
  assert.strictEqual(open.size, 0, "every stream has come to its end")
  // A frame in is at most one answer out, and an answer is at most what the windows let through.
  assert.isBelow(socket.written, 65_535 + 200 * (pieces.reduce((sum, piece) => sum + piece.length, 0) + 1) + 2 ** 20)
  return begun
}

const kept = corpus("connection")
const hex = (pieces: ReadonlyArray<Buffer>) => pieces.map((piece) => piece.toString("hex")).join(" | ")

const explore = async (count: number, pieces: (random: Random) => ReadonlyArray<Buffer>) => {
  let begun = 0
  for (let seed = firstSeed; seed < firstSeed + count; seed++) {
    const random = randomOf(seed)
    const some = pieces(random)
    try {
      begun += await serve(some, random)
    } catch (error) {
      throw new Error(`seed ${seed}: ${hex(some)}`, { cause: error })
    }
  }
  // Else all of it was refused at the door, and nothing explored.
  assert.isAbove(begun, count / 10)
}

const number = (value: number) => {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value >>> 0)
  return bytes
}

/** A frame that a client may send, or nearly: sequences of them reach states that changed bytes do not. */
const step = (random: Random, next: () => number): Buffer => {
  const stream = random.of([0, 1, 1, 3, 3, 5, 2, next()])
  const fresh = next()
  const fields = random.of([
    block(getFields),
    block(postFields),
    indexed(postFields),
    block({ ...postFields, "content-length": "5" }),
    block({ ":path": "/" }),
    Buffer.from([0x82, 0x86, 0x84, 0xbe]),
    Buffer.concat([Buffer.from([0x20]), block(getFields)])
  ])
  const steps: ReadonlyArray<() => Buffer> = [
    () => frame(1, 5, fresh, fields),
    () => frame(1, 4, fresh, fields),
    () => frame(1, 4, fresh, block(postFields)),
    () => frame(1, 5, stream, fields),
    () => frame(1, random.below(2), fresh, fields),
    () => frame(9, random.of([0, 4]), stream, fields.subarray(0, random.below(fields.length))),
    () => frame(0, random.of([0, 0, 1]), stream, random.bytes(30)),
    () => frame(0, 0, stream, Buffer.alloc(random.below(16_384))),
    () => frame(0, 8, stream, Buffer.concat([Buffer.from([random.below(20)]), random.bytes(30)])),
    () => frame(2, 0, stream, random.bytes(6)),
    () => frame(3, 0, stream, number(random.below(14))),
    () =>
      frame(
        4,
        0,
        0,
        Buffer.concat([Buffer.from([0, random.below(7)]), number(random.of([0, 1, 100, 65_535, 2 ** 31 - 1]))])
      ),
    () => frame(4, 1, 0),
    () => frame(6, random.below(2), 0, Buffer.alloc(8)),
    () => frame(7, 0, 0, Buffer.alloc(8)),
    () => frame(8, 0, stream, number(random.of([0, 1, 1_000, 100_000, 2 ** 31 - 1]))),
    () => frame(random.below(12), random.below(256), stream, random.bytes(20))
  ]
  const sent = random.of(steps)()
  return random.below(20) === 0 ? mutated(sent, random) : sent
}

describe("a whole connection", () => {
  test("on what is kept, in one piece and byte by byte", async () => {
    for (const [what, bytes] of kept) {
      const single = Array.from(bytes, (_, i) => bytes.subarray(i, i + 1))
      for (const pieces of [[bytes], single]) {
        await serve(pieces, randomOf(firstSeed)).catch((error) => {
          throw new Error(what, { cause: error })
        })
      }
    }
  })

  test("on changes of it", () =>
    explore(inputs(1_000), (random) => {
      const bytes = random.of(kept)[1]
      const at = random.below(bytes.length)
      // The preface and the first frame stay: without them nothing begins.
      const changed = Buffer.concat([bytes.subarray(0, 33), mutated(bytes.subarray(33), random)])
      return [changed.subarray(0, at), changed.subarray(at)]
    }))

  test("on sequences of frames", () =>
    explore(inputs(1_000), (random) => {
      let last = -1
      const next = () => {
        last += 2
        return last
      }
      const steps = Array.from({ length: 1 + random.below(30) }, () => step(random, next))
      return [Buffer.from(preface, "latin1"), frame(4, 0, 0), ...steps]
    }))
})
