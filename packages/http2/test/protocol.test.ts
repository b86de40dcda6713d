import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import type { Handler } from "../index.ts"
import { echo, frame, get, preface, reset, settings } from "./clients.ts"
import { block, getFields, indexed, postFields } from "./fields.ts"
import { dataBytes, type Frame, goAwayCode, peer, resetCode, statusOf } from "./peer.ts"
import { serve } from "./server.ts"

// Rules of RFC 9113 whose breach would otherwise go unnoticed by clients that keep them.

const protocolError = 1
const flowControlError = 3
const streamClosed = 5

const post = (stream: number) => frame(1, 4, stream, block(postFields))
const data = (stream: number, bytes: number, flags = 0) => frame(0, flags, stream, Buffer.alloc(bytes, "x"))
const number = (value: number) => {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}
const windowUpdate = (stream: number, bytes: number) => frame(8, 0, stream, number(bytes))
const initialWindow = (bytes: number) => frame(4, 0, 0, Buffer.concat([Buffer.from([0, 4]), number(bytes)]))
const pieces = (stream: number, bytes: number) =>
  Array.from({ length: Math.ceil(bytes / 16_384) }, (_, i) => data(stream, Math.min(16_384, bytes - i * 16_384)))

const unread: Handler = () => {}

describe("§5.1.1: the identifiers of streams", () => {
  const sent: Readonly<Record<string, readonly [frames: ReadonlyArray<Buffer>, code: number]>> = {
    "that are even belong to servers": [[get(2)], protocolError],
    "that are even belong to servers, also behind others": [[get(1), get(4)], protocolError],
    "that were skipped are closed by a higher one": [[get(5), get(3)], streamClosed],
    "that were used are not used again": [[get(1), get(1)], streamClosed],
    "that were reset are not used again": [[post(1), reset(1), get(1)], streamClosed],
    "are not 0 for a request": [[get(0)], protocolError]
  }
  for (const [what, [frames, code]] of Object.entries(sent)) {
    it.live(what, () =>
      Effect.gen(function* () {
        const { port } = yield* serve(echo)
        const client = yield* peer(port)
        client.send(preface, settings, ...frames)
        assert.strictEqual(goAwayCode(yield* client.closed), code)
      })
    )
  }

  it.live("may leave gaps", () =>
    Effect.gen(function* () {
      const { port } = yield* serve(echo)
      const client = yield* peer(port)
      client.send(preface, settings, get(1), get(7), get(1_001))
      const frames = yield* client.settled
      assert.deepStrictEqual(
        [1, 7, 1_001].map((stream) => statusOf(frames, stream)),
        ["200", "200", "200"]
      )
    })
  )
})

describe("§6.9.1: what a client sends is counted", () => {
  const limits = { sessionWindowBytes: 70_000, streamWindowBytes: 65_535 }

  it.live("against the window of the connection: to the byte", () =>
    Effect.gen(function* () {
      const { port } = yield* serve(unread, { limits })
      const client = yield* peer(port)
      client.send(preface, settings, post(1), ...pieces(1, 35_000), post(3), ...pieces(3, 35_000))
      assert.isUndefined(goAwayCode(yield* client.settled))
      client.send(data(3, 1))
      const frames = yield* client.closed
      assert.strictEqual(goAwayCode(frames), flowControlError)
    })
  )

  it.live("against the window of its stream: to the byte, and the connection goes on", () =>
    Effect.gen(function* () {
      const streamWindowBytes = 20_000
      const { port } = yield* serve(
        (request, response) => (request.method === "GET" ? echo(request, response) : undefined),
        {
          limits: { ...limits, streamWindowBytes }
        }
      )
      const client = yield* peer(port)
      client.send(preface, settings, post(1), ...pieces(1, streamWindowBytes))
      assert.isUndefined(resetCode(yield* client.settled, 1))
      client.send(data(1, 1), get(3))
      const frames = yield* client.settled
      assert.strictEqual(resetCode(frames, 1), flowControlError)
      assert.strictEqual(statusOf(frames, 3), "200")
    })
  )

  it.live("with its padding (§6.1)", () =>
    Effect.gen(function* () {
      const { port } = yield* serve(unread, { limits: { ...limits, streamWindowBytes: 1_000 } })
      const client = yield* peer(port)
      const padded = frame(0, 8, 1, Buffer.concat([Buffer.from([255]), Buffer.alloc(900 + 255)]))
      client.send(preface, settings, post(1), padded)
      assert.strictEqual(resetCode(yield* client.settled, 1), flowControlError)
    })
  )
})

describe("§6.9.1: what a server sends is counted", () => {
  const large: Handler = (_, response) => void response.end("x".repeat(100_000))

  it.live("against the window of the connection, whatever its streams may send", () =>
    Effect.gen(function* () {
      const { port } = yield* serve(large)
      const client = yield* peer(port)
      client.send(preface, initialWindow(1_000_000), get(1), get(3))
      assert.strictEqual(dataBytes(yield* client.settled), 65_535)
      client.send(windowUpdate(0, 10))
      assert.strictEqual(dataBytes(yield* client.settled), 65_545)
      client.send(windowUpdate(0, 1_000_000))
      yield* client.until((frames) => dataBytes(frames) >= 200_000)
    })
  )

  it.live("against the window of each stream, whatever the connection may send", () =>
    Effect.gen(function* () {
      const { port } = yield* serve(large)
      const client = yield* peer(port)
      client.send(preface, initialWindow(100), windowUpdate(0, 1_000_000), get(1), get(3))
      const frames = yield* client.settled
      assert.deepStrictEqual([dataBytes(frames, 1), dataBytes(frames, 3)], [100, 100])
      client.send(windowUpdate(3, 7))
      yield* client.settled
      assert.deepStrictEqual([dataBytes(frames, 1), dataBytes(frames, 3)], [100, 107])
    })
  )

  it.live("and no frame is larger than the client takes (§4.2)", () =>
    Effect.gen(function* () {
      const { port } = yield* serve(large)
      const client = yield* peer(port)
      client.send(preface, initialWindow(1_000_000), windowUpdate(0, 1_000_000), get(1))
      const frames = yield* client.until((all) => dataBytes(all) >= 100_000)
      assert.isAtMost(Math.max(...frames.map(({ payload }) => payload.length)), 16_384)
    })
  )
})

describe("§8.1.1: a malformed request is a stream error, and the connection goes on", () => {
  const malformed: Readonly<
    Record<string, Readonly<Record<string, string>> | ReadonlyArray<readonly [string, string]>>
  > = {
    "§8.2.1: a name with a character of no token": { ...getFields, "x\0": "a" },
    "§8.2.1: a name with an upper-case letter": { ...getFields, "X-a": "a" },
    "§8.2.1: a value that begins with a space": { ...getFields, "x-a": " a" },
    "§8.2.2: connection": { ...getFields, connection: "close" },
    "§8.2.2: keep-alive": { ...getFields, "keep-alive": "timeout=5" },
    "§8.2.2: proxy-connection": { ...getFields, "proxy-connection": "close" },
    "§8.2.2: transfer-encoding": { ...getFields, "transfer-encoding": "chunked" },
    "§8.2.2: upgrade": { ...getFields, upgrade: "h2c" },
    "§8.2.2: te with codings": { ...getFields, te: "gzip, chunked" },
    "§8.2.2: te with more than trailers": { ...getFields, te: "trailers, deflate" },
    "§8.2.2: te in several fields": [...Object.entries(getFields), ["te", "trailers"], ["te", "chunked"]],
    "§8.3: a pseudo-header field behind another": [["x-a", "a"], ...Object.entries(getFields)],
    "§8.3: a pseudo-header field of responses": { ...getFields, ":status": "200" },
    "§8.3: an unknown pseudo-header field": { ...getFields, ":protocol": "websocket" },
    "§8.3.1: no method": [
      [":scheme", "http"],
      [":path", "/"],
      [":authority", "a"]
    ],
    "§8.3.1: no scheme": [
      [":method", "GET"],
      [":path", "/"],
      [":authority", "a"]
    ],
    "§8.3.1: no path": [
      [":method", "GET"],
      [":scheme", "http"],
      [":authority", "a"]
    ],
    "§8.3.1: an empty path": { ...getFields, ":path": "" },
    "§8.3.1: two paths": [...Object.entries(getFields), [":path", "/b"]],
    "§8.3.1: a scheme that is empty": { ...getFields, ":scheme": "" },
    "§8.3.1: a scheme with a colon": { ...getFields, ":scheme": "http:" },
    "§8.3.1: a scheme with a host": { ...getFields, ":scheme": "http://elsewhere/?" },
    "§8.3.1: a scheme that begins with a digit": { ...getFields, ":scheme": "1http" },
    "§8.3.1: an authority that is empty": { ...getFields, ":authority": "" },
    "§8.3.1: an authority with a user": { ...getFields, ":authority": "user@localhost" },
    "§8.3.1: an authority with a path": { ...getFields, ":authority": "localhost/a" },
    "§8.3.1: an authority with a query": { ...getFields, ":authority": "localhost?a" },
    "§8.3.1: an authority with a backslash": { ...getFields, ":authority": "localhost\\a" },
    "§8.3.1: an authority of two words": { ...getFields, ":authority": "localhost a" },
    "§8.3.1: an authority with two ports": { ...getFields, ":authority": "localhost:1:2" },
    "§8.3.1: a port that is none": { ...getFields, ":authority": "localhost:http" },
    "§8.3.1: a port above 65535": { ...getFields, ":authority": "localhost:65536" },
    "§8.3.1: an address that is not closed": { ...getFields, ":authority": "[::1" },
    "§8.3.1: a host that is not the authority": { ...getFields, host: "elsewhere" },
    "§8.3.1: two hosts": [...Object.entries(getFields), ["host", "localhost"], ["host", "localhost"]],
    "§8.3.1: a host with a user, and no authority": [
      [":method", "GET"],
      [":scheme", "http"],
      [":path", "/"],
      ["host", "a@b"]
    ],
    "§8.5: CONNECT with a path": { ...getFields, ":method": "CONNECT" },
    "§8.5: CONNECT without an authority": { ":method": "CONNECT" },
    "§8.1.1: a length of a body that does not come": { ...postFields, "content-length": "1" }
  }
  for (const [what, fields] of Object.entries(malformed)) {
    it.live(what, () =>
      Effect.gen(function* () {
        const { port } = yield* serve(echo)
        const client = yield* peer(port)
        client.send(preface, settings, frame(1, 5, 1, block(fields)), get(3))
        const frames: ReadonlyArray<Frame> = yield* client.settled
        assert.strictEqual(resetCode(frames, 1), protocolError)
        assert.isUndefined(statusOf(frames, 1))
        assert.strictEqual(statusOf(frames, 3), "200")
      })
    )
  }

  const onItself = (stream: number) => Buffer.concat([number(stream), Buffer.from([0])])

  it.live("RFC 7540, §5.3.1: a request that depends on itself, and the fields it indexes are there for the next", () =>
    Effect.gen(function* () {
      const { port } = yield* serve(echo)
      const client = yield* peer(port)
      const fields = indexed({ ":path": "/indexed" })
      const rest = block({ ":method": "GET", ":scheme": "http" })
      // The second names the field by its number in the table, which the first filled.
      const named = Buffer.concat([rest, Buffer.from([0x80 | 62])])
      client.send(
        preface,
        settings,
        frame(1, 0x21, 1, Buffer.concat([onItself(1), rest])),
        frame(9, 4, 1, fields),
        frame(1, 5, 3, named)
      )
      const frames = yield* client.settled
      assert.strictEqual(resetCode(frames, 1), protocolError)
      assert.isUndefined(statusOf(frames, 1))
      assert.strictEqual(statusOf(frames, 3), "200")
    })
  )

  it.live("RFC 7540, §5.3.1: trailers that make their stream depend on itself", () =>
    Effect.gen(function* () {
      const { port } = yield* serve(echo)
      const client = yield* peer(port)
      client.send(preface, settings, post(1), frame(1, 0x25, 1, onItself(1)), get(3))
      const frames = yield* client.settled
      assert.strictEqual(resetCode(frames, 1), protocolError)
      assert.strictEqual(statusOf(frames, 3), "200")
    })
  )

  const wellFormed: Readonly<Record<string, Readonly<Record<string, string>>>> = {
    "te with trailers": { ...getFields, te: "trailers" },
    "another scheme": { ...getFields, ":scheme": "Coap+TCP" },
    "an authority with a port": { ...getFields, ":authority": "a-b.example.:443" },
    "an address as authority": { ...getFields, ":authority": "[::ffff:127.0.0.1]:8080" },
    "an authority with the characters of a service's name": { ...getFields, ":authority": "my_app.~x!$&'()*+,;=%41" }
  }
  for (const [what, fields] of Object.entries(wellFormed)) {
    it.live(`but not ${what}`, () =>
      Effect.gen(function* () {
        const { port } = yield* serve(echo)
        const client = yield* peer(port)
        client.send(preface, settings, frame(1, 5, 1, block(fields)))
        assert.strictEqual(statusOf(yield* client.settled, 1), "200")
      })
    )
  }
})
