import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { http1, serve, wire } from "./clients.ts"

const chunked = { "transfer-encoding": "chunked" }

describe("a body whose chunks are malformed", () => {
  it.live("is answered at once, while its handler waits for the rest", () =>
    Effect.gen(function* () {
      const aborted = Promise.withResolvers<void>()
      const { port } = yield* serve((request) => {
        request
          .on("error", () => {})
          .on("close", () => aborted.resolve())
          .resume()
      })
      const client = yield* wire(port)
      client.send(http1("POST", "/", chunked, "2\r\n{}\r\n"), "no length\r\n")
      yield* client.expect("HTTP/1.1 400 Bad Request")
      assert.include(yield* client.closed, "the request is not HTTP/1.1")
      yield* Effect.promise(() => aborted.promise)
    })
  )

  it.live("is not answered instead of the request before it", () =>
    Effect.gen(function* () {
      const { port } = yield* serve((request, response) => {
        if (request.url === "/slow") setTimeout(() => response.end("first"), 50)
        else request.on("error", () => {}).resume()
      })
      const client = yield* wire(port)
      client.send(http1("GET", "/slow"), http1("POST", "/", chunked, "no length\r\n"))
      assert.include(yield* client.expect("first"), "HTTP/1.1 200 OK")
      yield* client.expect("HTTP/1.1 400 Bad Request")
      yield* client.closed
    })
  )
})
