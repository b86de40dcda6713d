import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import fc from "fast-check"
import type { Http2Limits } from "../limits.ts"
import { call, echo, frame, get, ping, preface, reset, session, settings, wire } from "./clients.ts"
import { serve } from "./server.ts"

const goAway = "\0\0\x08\x07\0\0\0\0\0"
/** The code in a GOAWAY, as text. */
const codeIn = (text: string) => text.slice(text.indexOf(goAway) + 13, text.indexOf(goAway) + 17)
const calm = "\0\0\0\x0b"

const post = (stream: number) => frame(1, 4, stream, Buffer.from([0x83, 0x86, 0x84, 0x41, 0x01, 0x61]))
/** A window of nothing, for streams that begin later. */
const noWindow = frame(4, 0, 0, Buffer.from([0, 4, 0, 0, 0, 0]))

describe("a peer that sends floods of cheap frames", () => {
  it.live("is cut when it sends a body in tiny DATA frames", () =>
    Effect.gen(function* () {
      const { port } = yield* serve(echo, { limits: { idleFramesPerWindowMax: 50 } })
      const client = yield* wire(port)
      const crumb = frame(0, 0, 1, Buffer.from("a"))
      client.send(preface, settings, post(1), ...Array.from({ length: 60 }, () => crumb))
      assert.strictEqual(codeIn(yield* client.closed), calm)
    })
  )

  it.live("is cut when it resets its requests over and over with NO_ERROR", () =>
    Effect.gen(function* () {
      const { port } = yield* serve(() => {}, { limits: { resetsPerWindowMax: 50 } })
      const client = yield* wire(port)
      const givenUp = (stream: number) => Buffer.concat([get(stream), frame(3, 0, stream, Buffer.alloc(4))])
      client.send(preface, settings, ...Array.from({ length: 60 }, (_, i) => givenUp(2 * i + 1)))
      assert.strictEqual(codeIn(yield* client.closed), calm)
    })
  )

  it.live("may leave the rest of what it asked for unsaid, once it has its answer", () =>
    Effect.gen(function* () {
      const { port } = yield* serve((_, response) => void response.end("early"), { limits: { resetsPerWindowMax: 5 } })
      const client = yield* wire(port)
      client.send(preface, settings)
      for (let stream = 1; stream < 40; stream += 2) {
        client.send(post(stream))
        yield* client.expect("early")
        client.send(reset(stream))
      }
      client.send(get(41))
      yield* client.expect("early")
    })
  )

  it.live("is cut when it floods frames of unknown types", () =>
    Effect.gen(function* () {
      const { port } = yield* serve(echo, { limits: { idleFramesPerWindowMax: 50 } })
      const client = yield* wire(port)
      client.send(preface, settings, ...Array.from({ length: 60 }, () => frame(0xbb, 0, 0)))
      assert.strictEqual(codeIn(yield* client.closed), calm)
    })
  )

  const between: Readonly<Record<string, readonly [one: Buffer, limits: Partial<Http2Limits>]>> = {
    "frames that do nothing": [frame(0xbb, 0, 0), { idleFramesPerWindowMax: 50, idleFramesPerAnswerMax: 4 }],
    PINGs: [ping, { pingsPerWindowMax: 50, pingsPerAnswerMax: 4 }]
  }
  for (const [what, [one, limits]] of Object.entries(between)) {
    const asked = Effect.fnUntraced(function* (each: number, answers: number) {
      const { port } = yield* serve(echo, { limits: { ...limits, floodWindowMs: 60_000 } })
      const client = yield* wire(port)
      client.send(preface, settings)
      for (let i = 0; i < answers; i++) {
        client.send(get(2 * i + 1))
        yield* client.expect("2.0 GET")
        client.send(...Array.from({ length: each }, () => one))
      }
      return client
    })

    it.live(`keeps its session with a few ${what} for each answer`, () =>
      Effect.gen(function* () {
        const client = yield* asked(4, 40)
        client.send(get(81))
        yield* client.expect("2.0 GET")
      })
    )

    it.live(`loses its session with many ${what} for each answer`, () =>
      Effect.gen(function* () {
        const client = yield* asked(40, 2)
        assert.strictEqual(codeIn(yield* client.closed), calm)
      })
    )
  }

  it.live("is not waited for when it does not take the answer that it asked for", () =>
    Effect.gen(function* () {
      const { port } = yield* serve(echo, { limits: { unreadMsMax: 50, lateCheckMs: 10 } })
      const client = yield* wire(port)
      client.send(preface, noWindow, get(1))
      // RST_STREAM with CANCEL.
      yield* client.expect("\0\0\x04\x03\0\0\0\0\x01\0\0\0\x08")
      client.send(settings, get(3))
      yield* client.expect("\0\0\0\x03")
    })
  )

  it.live("keeps a stream that goes on for as long as it likes, though it takes nothing", () =>
    Effect.gen(function* () {
      const { port } = yield* serve((_, response) => void response.write("begun"), {
        limits: { unreadMsMax: 20, lateCheckMs: 10 }
      })
      const client = yield* wire(port)
      client.send(preface, noWindow, get(1))
      yield* Effect.sleep(100)
      client.send(frame(8, 0, 1, Buffer.from([0, 0, 0, 100])))
      yield* client.expect("begun")
    })
  )
})

describe("any input", () => {
  it.live("in pieces of any size, means the same", () =>
    Effect.gen(function* () {
      const { port } = yield* serve(echo)
      const body = frame(0, 1, 1, Buffer.from("a body of some length"))
      const whole = Buffer.concat([Buffer.from(preface), settings, post(1), body, ping])
      const run = (sizes: ReadonlyArray<number>) =>
        Effect.scoped(
          Effect.gen(function* () {
            const client = yield* wire(port)
            for (let at = 0, turn = 0; at < whole.length; turn++) {
              const size = sizes[turn % sizes.length]!
              client.send(whole.subarray(at, at + size))
              at += size
              yield* Effect.sleep(0)
            }
            yield* client.expect("2.0 POST / a body of some length")
          })
        )
      yield* run([1])
      const sizes = fc.sample(fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 10 }), 20)
      for (const some of sizes) yield* run(some)
    })
  )

  it.live("ends that connection at most: others are served all the while", () =>
    Effect.gen(function* () {
      const { port, url } = yield* serve(echo, { limits: { requestMsMax: 200, unreadMsMax: 200 } })
      const good = yield* session(url)
      const random = fc.oneof(
        fc.constantFrom(settings, noWindow, ping, get(1), get(3, { end: false }), post(5), reset(1), reset(3)),
        fc
          .tuple(
            fc.integer({ min: 0, max: 12 }),
            fc.integer({ min: 0, max: 255 }),
            fc.integer({ min: 0, max: 7 }),
            fc.uint8Array({ maxLength: 40 })
          )
          .map(([type, flags, stream, bytes]) => frame(type, flags, stream, bytes)),
        fc.uint8Array({ minLength: 1, maxLength: 60 }).map((bytes) => Buffer.from(bytes))
      )
      for (const parts of fc.sample(fc.array(random, { minLength: 1, maxLength: 30 }), 150)) {
        yield* Effect.scoped(
          Effect.gen(function* () {
            const client = yield* wire(port)
            client.send(preface, settings, ...parts)
            const answer = yield* call(good, { ":method": "POST" }, (stream) => stream.end("well"))
            assert.strictEqual(answer.body, "2.0 POST / well")
          })
        )
      }
    })
  )
})
