import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import type { Handler, Http2Limits } from "../index.ts"
import { echo, frame, get, preface, reset, settings } from "./clients.ts"
import { block, getFields, indexed, postFields } from "./fields.ts"
import { dataBytes, goAwayCode, type Peer, peer, resetCode, statusOf } from "./peer.ts"
import { serve } from "./server.ts"

// Every class of attack on HTTP/2 that got a CVE. Each is carried out on a server that listens, until it defends itself.

const enhanceYourCalm = 11
const protocolError = 1

const number = (value: number) => {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}
const windowUpdate = (stream: number, bytes: number) => frame(8, 0, stream, number(bytes))
const initialWindow = (bytes: number) => frame(4, 0, 0, Buffer.concat([Buffer.from([0, 4]), number(bytes)]))
const post = (stream: number) => frame(1, 4, stream, block(postFields))
const times = (count: number, one: (i: number) => Buffer) =>
  Buffer.concat(Array.from({ length: count }, (_, i) => one(i)))
const streamOf = (i: number) => 2 * i + 1

const large: Handler = (_, response) => void response.end(Buffer.alloc(1_000_000, "x"))

/** Sends everything, and asserts that this ended the connection. Another connection is served afterwards. */
const ends = (what: string, attack: Buffer, handler: Handler = echo, limits: Partial<Http2Limits> = {}) =>
  it.live(what, () =>
    Effect.gen(function* () {
      let handled = 0
      const { port } = yield* serve(
        (request, response) => {
          if (request.url === "/neighbour") return echo(request, response)
          handled += 1
          handler(request, response)
        },
        { limits: { ...small, ...limits } }
      )
      const attacker = yield* peer(port)
      attacker.send(preface, settings, attack)
      assert.strictEqual(goAwayCode(yield* attacker.closed), enhanceYourCalm)
      assert.isAtMost(handled, 150)
      const neighbour = yield* peer(port)
      neighbour.send(preface, settings, frame(1, 5, 1, block({ ...getFields, ":path": "/neighbour" })))
      assert.strictEqual(statusOf(yield* neighbour.settled, 1), "200")
    })
  )

/** So small that an attack is short. */
const small = {
  resetsPerWindowMax: 100,
  pingsPerWindowMax: 100,
  settingsPerWindowMax: 100,
  idleFramesPerWindowMax: 100
}

describe("CVE-2019-9511, data dribble: an answer is taken in single bytes", () => {
  ends(
    "by small windows of the connection",
    Buffer.concat([initialWindow(0), get(1), times(200, () => windowUpdate(1, 1))]),
    large
  )

  it.live("what waits is held once, however small the pieces that leave", () =>
    Effect.gen(function* () {
      const { port } = yield* serve(large)
      const client = yield* peer(port)
      client.send(
        preface,
        initialWindow(1),
        get(1),
        times(500, () => windowUpdate(1, 1))
      )
      yield* client.settled
      assert.strictEqual(dataBytes(client.frames), 501)
      // What is left is one piece.
      client.send(windowUpdate(1, 60_000))
      yield* client.settled
      assert.isAtMost(client.frames.length, 501 + 20)
    })
  )
})

describe("CVE-2019-9512, ping flood", () => {
  ends(
    "by PING",
    times(200, () => frame(6, 0, 0, Buffer.alloc(8)))
  )
  ends(
    "by acknowledgements of PINGs that nobody sent",
    times(200, () => frame(6, 1, 0, Buffer.alloc(8)))
  )
})

describe("CVE-2019-9513, resource loop: priorities change without end", () => {
  ends("on a stream", Buffer.concat([post(1), times(200, () => frame(2, 0, 1, Buffer.from([0, 0, 0, 3, 0])))]))
  ends(
    "on streams that are idle",
    times(200, (i) => frame(2, 0, streamOf(i), Buffer.from([0, 0, 0, 0, 0])))
  )
})

describe("CVE-2019-9514, reset flood: the server is made to reset streams", () => {
  ends(
    "by malformed requests",
    times(200, (i) => frame(1, 5, streamOf(i), block({ ...getFields, te: "x" })))
  )
  ends(
    "by frames for streams that are closed",
    Buffer.concat([get(1), times(200, () => frame(0, 0, 1, Buffer.alloc(1)))])
  )
})

describe("CVE-2019-9515, settings flood", () => {
  ends(
    "by SETTINGS",
    times(200, () => settings)
  )
  ends(
    "by acknowledgements of SETTINGS that nobody sent",
    times(200, () => frame(4, 1, 0))
  )
})

describe("CVE-2019-9516, 0-length headers leak", () => {
  it.live("fields without a name are malformed, and nothing of them stays in memory", () =>
    Effect.gen(function* () {
      const { port } = yield* serve(echo)
      const client = yield* peer(port)
      client.send(preface, settings, frame(1, 5, 1, Buffer.concat([block(getFields), Buffer.alloc(90)])), get(3))
      yield* client.settled
      assert.strictEqual(resetCode(client.frames, 1), protocolError)
      assert.strictEqual(statusOf(client.frames, 3), "200")
    })
  )
  ends(
    "and streams of them end the connection",
    times(200, (i) => frame(1, 5, streamOf(i), Buffer.concat([block(getFields), Buffer.from([0, 0, 0])])))
  )
})

describe("CVE-2019-9517, internal data buffering: windows are wide and the socket is not read", () => {
  it.live("no more is written than a connection may hold, and it is not listened to meanwhile", () =>
    Effect.gen(function* () {
      let written = 0
      const { port } = yield* serve(
        (_, response) => {
          const more = () => {
            while (response.write(Buffer.alloc(16_384))) written += 16_384
            response.once("drain", more)
          }
          more()
        },
        { limits: { heldBytesMax: 100_000 } }
      )
      const client = yield* peer(port)
      client.pause()
      client.send(
        preface,
        initialWindow(2 ** 31 - 1),
        windowUpdate(0, 2 ** 30),
        times(50, (i) => get(streamOf(i)))
      )
      // Long enough for what the buffers of the system take.
      yield* Effect.sleep(300)
      const settledAt = written
      yield* Effect.sleep(200)
      assert.strictEqual(written, settledAt)
      assert.isBelow(written, 20_000_000)
    })
  )
})

describe("CVE-2019-9518, empty frames flood", () => {
  ends("by DATA without data", Buffer.concat([post(1), times(200, () => frame(0, 0, 1))]))
  ends(
    "by DATA with nothing but padding",
    Buffer.concat([post(1), times(200, () => frame(0, 8, 1, Buffer.from([1, 0])))])
  )
  ends("by CONTINUATION without a block", Buffer.concat([frame(1, 0, 1), times(200, () => frame(9, 0, 1))]))
  ends(
    "by WINDOW_UPDATE that opens nothing",
    times(200, () => windowUpdate(0, 1))
  )
})

describe("CVE-2023-44487, rapid reset", () => {
  ends(
    "by requests that are cancelled at once",
    times(1_000, (i) => Buffer.concat([get(streamOf(i)), reset(streamOf(i))])),
    () => {}
  )
})

describe("CVE-2025-8671, MadeYouReset: requests go on after the server was made to reset them", () => {
  const ways: Readonly<Record<string, (stream: number) => Buffer>> = {
    "by a window of nothing": (stream) => windowUpdate(stream, 0),
    "by a window beyond all bounds": (stream) => windowUpdate(stream, 2 ** 31 - 1),
    "by a priority on itself": (stream) => frame(2, 0, stream, Buffer.concat([number(stream), Buffer.from([0])])),
    "by a priority of the wrong size": (stream) => frame(2, 0, stream, Buffer.alloc(4)),
    "by more than the body's length": (stream) => frame(0, 1, stream, Buffer.alloc(2)),
    "by trailers with a pseudo-header field": (stream) => frame(1, 5, stream, block({ ":path": "/" }))
  }
  for (const [how, way] of Object.entries(ways)) {
    const fields = { ...postFields, "content-length": "1" }
    ends(
      how,
      times(1_000, (i) => Buffer.concat([frame(1, 4, streamOf(i), block(fields)), way(streamOf(i))])),
      () => {},
      // The limit on resets must be what ends it, not the one on idle frames.
      { idleFramesPerWindowMax: 100_000 }
    )
  }
})

describe("CVE-2024-27316 and its kin, CONTINUATION flood", () => {
  ends(
    "in large frames",
    Buffer.concat([frame(1, 1, 1, block(getFields)), times(20, () => frame(9, 0, 1, block({ x: "a".repeat(16_000) })))])
  )
  ends(
    "in small frames",
    Buffer.concat([frame(1, 1, 1, block(getFields)), times(500, () => frame(9, 0, 1, block({ x: "a" })))])
  )
  ends(
    "in small frames of one byte",
    Buffer.concat([frame(1, 1, 1), times(500, () => frame(9, 0, 1, Buffer.from([0x82])))])
  )
})

describe("CVE-2016-6581, HPACK bomb: a large field is named again and again", () => {
  it.live("the request is refused, the connection goes on, and memory stays", () =>
    Effect.gen(function* () {
      let seen = 0
      const { port } = yield* serve(
        (request, response) => {
          seen = Math.max(seen, request.rawHeaders.join("").length)
          response.end()
        },
        { limits: { headersMax: 100_000 } }
      )
      const client: Peer = yield* peer(port)
      // 4,000 bytes enter the table, and 16,000 single bytes name them: a list of 64 MB.
      const bomb = Buffer.concat([indexed({ x: "a".repeat(4_000) }), Buffer.alloc(12_000, 0x80 | 62)])
      client.send(preface, settings)
      const before = process.memoryUsage().rss
      for (let i = 0; i < 20; i++) {
        client.send(frame(1, 5, streamOf(i), Buffer.concat([block(getFields), bomb])))
        yield* client.settled
        assert.strictEqual(statusOf(client.frames, streamOf(i)), "431")
      }
      assert.isBelow(process.memoryUsage().rss - before, 100_000_000)
      assert.isAtMost(seen, 16_384)
    })
  )

  it.live("a table larger than granted is an error of the connection", () =>
    Effect.gen(function* () {
      const { port } = yield* serve(echo)
      const client = yield* peer(port)
      // A size update to 1 MB.
      client.send(
        preface,
        settings,
        frame(1, 5, 1, Buffer.concat([Buffer.from([0x3f, 0xe1, 0xff, 0x3f]), block(getFields)]))
      )
      assert.strictEqual(goAwayCode(yield* client.closed), 9)
    })
  )
})

describe("CVE-2020-11080, large settings", () => {
  ends(
    "one frame of them after another",
    times(200, () => frame(4, 0, 0, Buffer.alloc(16_380)))
  )
})
