import type { ClientHttp2Session } from "node:http2"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { corsHeaders } from "../../../adapters/transport/http/cors.ts"
import { refuseOversized } from "../../../adapters/transport/http/oversized.ts"
import type { ListenerOptions } from "../../../adapters/transport/listener/listen.ts"
import { startGateway } from "../../support/gateway.ts"
import { echo, frame, http1, http2InTests, preface, serve, session, settings, wire } from "../listener/clients.ts"

// A connection is shared: by the calls of one application, and behind a proxy by many. A call with too many headers is
// refused alone, in the form of its protocol.

const page = "https://page.example"
const rpcPath = "/stategate.EntityService/Get"

const gateway = Effect.gen(function* () {
  const { gate, records } = yield* Effect.acquireRelease(
    Effect.promise(() => startGateway()),
    ({ close }) => Effect.promise(close)
  )
  const refusing = refuseOversized(gate, { isRpc: (path) => path === rpcPath })
  const commonHeaders: ListenerOptions["commonHeaders"] = (header) => corsHeaders(header("origin"), [page])
  const { url, port } = yield* serve(echo, { refuseOversized: refusing, commonHeaders, graceMs: 0 })
  return { url, port, records }
})

interface Answer {
  readonly headers: Readonly<Record<string, unknown>>
  readonly body: string
  /** Of the stream: 0 when it was answered. */
  readonly code: number | undefined
}

const post = (over: ClientHttp2Session, headers: Record<string, string>, body = "body") =>
  Effect.callback<Answer>((resume) => {
    const stream = over.request({ ":method": "POST", ...headers }, { endStream: false })
    let answer: Readonly<Record<string, unknown>> = {}
    let text = ""
    stream.on("response", (got) => {
      answer = got
    })
    stream.on("data", (chunk) => {
      text += chunk
    })
    stream.on("error", () => {})
    const done = () => resume(Effect.succeed({ headers: answer, body: text, code: stream.rstCode }))
    stream.on("end", done).on("close", done)
    stream.end(body)
  })

const many = Object.fromEntries(Array.from({ length: 105 }, (_, i) => [`x-${i}`, "y"]))
const sizes: Readonly<Record<string, Record<string, string>>> = {
  "17,000 bytes": { "x-big": "a".repeat(17_000) },
  "40,000 bytes": { "x-big": "a".repeat(40_000) },
  "60,000 bytes": { "x-big": "a".repeat(60_000) },
  "60,000 bytes that do not compress": { "x-big": "{".repeat(60_000) },
  "105 fields": many
}
const rule = /16384 bytes or 100 fields/

describe("a call with too many headers is refused alone", () => {
  for (const [what, headers] of Object.entries(sizes)) {
    it.live(what, () =>
      Effect.gen(function* () {
        const { url, records } = yield* gateway
        const over = yield* session(url)
        const neighbour = over.request({ ":method": "POST", ":path": "/neighbour" })
        neighbour.write("half, ")

        const known = { "x-request-id": "a-call" }
        const grpc = { ...known, "content-type": "application/grpc", te: "trailers" }
        for (const fields of [
          { ...grpc, ...headers },
          { ...headers, ...grpc }
        ]) {
          const { headers: answer, code } = yield* post(over, { ":path": rpcPath, ...fields })
          assert.include(answer, {
            ":status": 200,
            "content-type": "application/grpc",
            "grpc-status": "8",
            "x-request-id": "a-call"
          })
          assert.match(String(answer["grpc-message"]), rule)
          assert.strictEqual(code, 0)
        }

        const rest = yield* post(over, {
          ":path": "/api/entity",
          "content-type": "application/json",
          ...known,
          ...headers
        })
        assert.include(rest.headers, { ":status": 431, "content-type": "application/json", "x-request-id": "a-call" })
        assert.include(JSON.parse(rest.body), { code: 8 })
        assert.match(rest.body, rule)

        const connect = yield* post(over, { ":path": rpcPath, "content-type": "application/json", ...headers })
        assert.strictEqual(connect.headers[":status"], 431)
        assert.include(JSON.parse(connect.body), { code: "resource_exhausted" })

        assert.deepStrictEqual(
          records.map(({ method, protocol, code }) => [method, protocol, code]),
          [
            [rpcPath, "grpc", "resource_exhausted"],
            [rpcPath, "grpc", "resource_exhausted"],
            ["oversized headers", "http", "resource_exhausted"],
            [rpcPath, "connect", "resource_exhausted"]
          ]
        )
        const finished = yield* Effect.callback<string>((resume) => {
          let text = ""
          neighbour.on("data", (chunk) => {
            text += chunk
          })
          neighbour.on("end", () => resume(Effect.succeed(text)))
          neighbour.end("whole")
        })
        assert.strictEqual(finished, "2.0 POST /neighbour half, whole")
      })
    )
  }

  it.live("in an answer that pages of allowed origins can read", () =>
    Effect.gen(function* () {
      const { url } = yield* gateway
      const over = yield* session(url)
      for (const type of ["application/json", "application/grpc-web+proto"]) {
        for (const path of ["/api/entity", rpcPath]) {
          const headers = { ":path": path, "content-type": type, ...many }
          const known = yield* post(over, { ...headers, origin: page })
          assert.include(known.headers, { "access-control-allow-origin": page, vary: "origin" })
          const another = yield* post(over, { ...headers, origin: "https://another.example" })
          assert.notProperty(another.headers, "access-control-allow-origin")
        }
      }
    })
  )

  it.live("also a call by GET, whose message is in its query", () =>
    Effect.gen(function* () {
      const { url, records } = yield* gateway
      const path = `${rpcPath}?encoding=json&message=%7B%7D`
      const { body } = yield* post(yield* session(url), { ":method": "GET", ":path": path, ...many }, "")
      assert.include(JSON.parse(body), { code: "resource_exhausted" })
      assert.deepStrictEqual(
        records.map(({ method, protocol }) => [method, protocol]),
        [[rpcPath, "connect"]]
      )
    })
  )

  it.live("and one with a longer block than a connection may keep ends its connection", () =>
    Effect.gen(function* () {
      const { port } = yield* gateway
      const client = yield* wire(port)
      const piece = Buffer.alloc(16_000)
      client.send(preface, settings, frame(1, 1, 1, piece), ...Array.from({ length: 12 }, () => frame(9, 0, 1, piece)))
      const received = yield* client.closed
      // ENHANCE_YOUR_CALM. Node ends it without a GOAWAY.
      if (http2InTests === "own") assert.include(received, "\0\0\x08\x07\0\0\0\0\0\0\0\0\0\0\0\0\x0b")
    })
  )
})

describe("over HTTP/1.1 it is refused by the gateway as well", () => {
  for (const [what, headers] of Object.entries({ "17,000 bytes": sizes["17,000 bytes"]!, "105 fields": many })) {
    it.live(what, () =>
      Effect.gen(function* () {
        const { port } = yield* gateway
        const client = yield* wire(port)
        client.send(http1("GET", "/api/entity", headers))
        const answer = yield* client.closed
        assert.match(answer, /^HTTP\/1\.1 431 /)
        assert.match(answer, /^content-type: application\/json\r$/im)
        assert.match(answer, /^x-request-id: \S+\r$/im)
        assert.match(answer, rule)
        assert.include(JSON.parse(answer.slice(answer.indexOf("\r\n\r\n"))), { code: 8 })
      })
    )
  }
})
