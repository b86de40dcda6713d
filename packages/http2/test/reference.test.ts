import { assert, describe, it } from "@effect/vitest"
import { Effect, type Scope } from "effect"
import { preface, settings } from "./clients.ts"
import { type Frame, goAwayCode, peer, resetCode, statusOf } from "./peer.ts"
import { cases } from "./reference/cases.ts"
import { go, hasGo, node, own } from "./reference/servers.ts"

const streams = [1, 2, 3, 5]

const isOver = (frames: ReadonlyArray<Frame>, stream: number) =>
  frames.some((one) => one.stream === stream && (one.type === 3 || (one.type <= 1 && (one.flags & 1) === 1)))
const isLost = (frames: ReadonlyArray<Frame>) => (goAwayCode(frames) ?? 0) !== 0

const probe = Buffer.from("the end?", "latin1")
const isAnswered = (frames: ReadonlyArray<Frame>) =>
  frames.some(({ type, payload }) => type === 6 && payload.equals(probe))

/** What a client sees: for each stream its status or the code of its reset, and how the connection fares. */
const outcome = (port: number, sent: ReadonlyArray<Buffer>) =>
  Effect.scoped(
    Effect.gen(function* () {
      const client = yield* peer(port)
      const ping = Buffer.concat([Buffer.from([0, 0, 8, 6, 0, 0, 0, 0, 0]), probe])
      client.send(preface, settings, ...sent, ping)
      const begun = streams.filter((stream) => sent.some((bytes) => bytes.readUInt32BE(5) === stream))
      yield* client.until((all) => isLost(all) || isAnswered(all))
      // Answers may come behind that of the PING. A request that gets none is waited for in vain, so not for long.
      const settled = client.until((all) => isLost(all) || begun.every((stream) => isOver(all, stream)))
      yield* Effect.timeoutOption(settled, 1_000)
      const { frames } = client
      const code = goAwayCode(frames)
      if (isLost(frames)) return `GOAWAY ${code}`
      if (!isAnswered(frames)) return "closed"
      const ends = begun.map((stream) => {
        const reset = resetCode(frames, stream)
        return `${stream}: ${statusOf(frames, stream) ?? (reset === undefined ? "nothing" : `RST_STREAM ${reset}`)}`
      })
      return ends.join(", ")
    })
  )

/** Ours / theirs, or several of them where it depends on time, and why both may be. What is not listed is the same. */
type Differences = Readonly<Record<string, readonly [outcomes: string | ReadonlyArray<string>, why: string]>>

const ofNode: Differences = {
  "a stream that was skipped": [
    "GOAWAY 5 / 3: nothing, 5: 200",
    "§5.1.1: a skipped stream is closed, and a frame on it an error; nghttp2 ignores it"
  ],
  "DATA on a stream that was reset": [
    "1: RST_STREAM 5, 3: 200 / 1: nothing, 3: 200",
    "§5.1: DATA behind a RST_STREAM of the same client is STREAM_CLOSED; nghttp2 ignores it"
  ],
  "a window of nothing for a stream": [
    "1: RST_STREAM 1, 3: 200 / GOAWAY 1",
    "§6.9: an error of the stream; nghttp2 treats it as one of the connection, as §5.4.2 lets it"
  ],
  "a PRIORITY that is cut short": [
    "1: RST_STREAM 6, 3: 200 / GOAWAY 6",
    "§6.3: an error of the stream; nghttp2 treats it as one of the connection"
  ],
  "a priority on itself": [
    "1: RST_STREAM 1, 3: 200 / GOAWAY 1",
    "RFC 7540, §5.3.1: an error of the stream; nghttp2 treats it as one of the connection"
  ],
  "a farewell of the client": [
    "1: 200 / 1: nothing",
    "§6.8: its GOAWAY is about streams of ours, and it may go on asking"
  ],
  "a line break in a value": [
    "1: RST_STREAM 1, 3: 200 / 1: 200, 3: 200",
    "§8.2.1: malformed; Node drops the field and serves the request"
  ],
  "a host that is not the authority": [
    "1: RST_STREAM 1, 3: 200 / 1: 200, 3: 200",
    "§8.3.1: should be malformed; Node leaves it to its handlers"
  ],
  "a length shorter than the body": [
    "1: RST_STREAM 1, 3: 200 / GOAWAY 2",
    "§8.1.1: an error of the stream; Node loses the connection"
  ]
}

const ofGo: Differences = {
  "a stream that was skipped": ["GOAWAY 5 / GOAWAY 1", "§5.1.1 says PROTOCOL_ERROR, §5.1 STREAM_CLOSED: both end it"],
  "HEADERS on a stream that is over": [
    ["GOAWAY 5 / GOAWAY 1", "GOAWAY 5 / 1: RST_STREAM 5", "GOAWAY 5 / 1: 200"],
    "§5.1 says STREAM_CLOSED, §5.1.1 PROTOCOL_ERROR; Go breaks off the stream alone while its handler runs, or is not done"
  ],
  "a frame that is too large": ["GOAWAY 6 / 1: 200", "§4.2: Go announces that it takes larger ones"],
  "a PRIORITY that is cut short": [
    "1: RST_STREAM 6, 3: 200 / GOAWAY 6",
    "§6.3: an error of the stream; Go treats it as one of the connection"
  ],
  "a farewell of the client": [
    "1: 200 / 1: nothing",
    "§6.8: its GOAWAY is about streams of ours, and it may go on asking"
  ],
  "a connection field": ["1: RST_STREAM 1, 3: 200 / 1: 400, 3: 200", "§8.1.1: a server may answer before the error"],
  "te with gzip": ["1: RST_STREAM 1, 3: 200 / 1: 400, 3: 200", "§8.1.1: a server may answer before the error"],
  "transfer-encoding": ["1: RST_STREAM 1, 3: 200 / 1: 400, 3: 200", "§8.1.1: a server may answer before the error"],
  "a host that is not the authority": [
    "1: RST_STREAM 1, 3: 200 / 1: 200, 3: 200",
    "§8.3.1: should be malformed; Go serves the authority"
  ],
  "a length longer than the body": [
    "1: RST_STREAM 1, 3: 200 / 1: 200, 3: 200",
    "§8.1.1: malformed; Go's handler sees an error as it reads, and may answer all the same"
  ]
}

const compare = (reference: Effect.Effect<number, never, Scope.Scope>, differences: Differences) =>
  Effect.gen(function* () {
    const ours = yield* own
    const theirs = yield* reference
    const different: Record<string, string | ReadonlyArray<string>> = {}
    for (const [what, sent] of Object.entries(cases)) {
      const [a, b] = yield* Effect.all([outcome(ours, sent), outcome(theirs, sent)], { concurrency: 2 })
      const outcomes = `${a} / ${b}`
      const known = differences[what]?.[0]
      if (a !== b) different[what] = typeof known === "object" && known.includes(outcomes) ? known : outcomes
    }
    const expected = Object.entries(differences).map(([what, [outcomes]]) => [what, outcomes])
    assert.deepStrictEqual(different, Object.fromEntries(expected))
  })

const timeout = 120_000

describe("the same frames have the same outcome", () => {
  it.live("as on Node's HTTP/2", () => compare(node, ofNode), {
    timeout,
    skip: "Bun" in globalThis,
    meta: { limitation: "Bun has a node:http2 of its own, and cannot stand for Node's" }
  })

  it.live("as on Go's", () => compare(go, ofGo), {
    timeout,
    skip: !hasGo(),
    meta: { skipped: "needs Go; to enable: install it from https://go.dev/dl" }
  })
})
