import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { corsHeaders } from "../../../adapters/transport/http/cors.ts"
import type { ListenerOptions } from "../../../adapters/transport/listener/listen.ts"
import { echo, http1, serve, wire } from "./clients.ts"

// A browser that finds no CORS headers tells its page of a network error, and nothing of the answer.

const page = "https://page.example"
const commonHeaders: ListenerOptions["commonHeaders"] = (header) => corsHeaders(header("origin"), [page])
const allowed = /\r\naccess-control-allow-origin: https:\/\/page\.example\r\n/i

interface Case {
  readonly status: number
  readonly headers?: Record<string, string>
  readonly body?: string
  readonly limits?: ListenerOptions["limits"]
}

const many = Object.fromEntries(Array.from({ length: 105 }, (_, i) => [`x-${i}`, "y"]))

const cases: Readonly<Record<string, Case>> = {
  "a request that is served": { status: 200 },
  "a request with two Hosts": { status: 400, headers: { Host: "b" } },
  "a request with a malformed body": { status: 400, headers: { "transfer-encoding": "chunked" }, body: "none\r\n" },
  "a request that takes too long to arrive": {
    status: 408,
    headers: { "content-length": "10" },
    body: "half",
    limits: { requestMsMax: 100, lateCheckMs: 10 }
  },
  "a request with too many headers": { status: 431, headers: many },
  "a request for which there is no room": { status: 503, limits: { requestsMax: 0 } }
}

describe("what the listener answers by itself can be read by pages of allowed origins", () => {
  for (const [what, { status, headers = {}, body = "", limits }] of Object.entries(cases)) {
    it.live(`${status} to ${what}`, () =>
      Effect.gen(function* () {
        const { port } = yield* serve(echo, { commonHeaders, limits })
        for (const [origin, isAllowed] of [
          [page, true],
          ["https://another.example", false]
        ] as const) {
          const client = yield* wire(port)
          client.send(http1(body === "" ? "GET" : "POST", "/", { origin, connection: "close", ...headers }, body))
          const answer = yield* client.closed
          assert.match(answer, new RegExp(`^HTTP/1\\.1 ${status} `))
          assert.strictEqual(allowed.test(answer), isAllowed)
          assert.match(answer, /\r\nvary: origin\r\n/i)
        }
      })
    )
  }
})
