import { connectNodeAdapter } from "@connectrpc/connect-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Queue } from "effect"
import type { Handler } from "../../../adapters/transport/listener/listen.ts"
import { EntityService } from "../../../proto/gen/stategate/stategate_pb.js"
import { call, http1, serve, session, wire } from "./clients.ts"

// A call may be answered before its request was read to the end: too large, not allowed, not found.
// The next call on the same connection must not suffer from it.

const large = "x".repeat(3_000_000)
const inOneChunk = (body: string) => `${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`

const rpc = connectNodeAdapter({
  readMaxBytes: 1_000,
  routes: (router) => router.service(EntityService, { set: () => ({}) })
})
const set = "/stategate.EntityService/Set"
const json = { "content-type": "application/json", "connect-protocol-version": "1" }

/** Answers each path before the end of its body. */
const careless: Handler = (request, response) => {
  const answer = () => void response.end("answered")
  if (request.url === "/none") answer()
  else if (request.url === "/paused") request.once("data", () => answer()).once("data", () => request.pause())
  else
    void (async () => {
      for await (const _ of request) break
      answer()
    })()
}

describe("an answer before the end of the request", () => {
  it.live("leaves the connection to the next call, after one that was over readMaxBytes", () =>
    Effect.gen(function* () {
      const { port } = yield* serve(rpc)
      const client = yield* wire(port)
      for (const headers of [{ "transfer-encoding": "chunked" }, { "content-length": `${large.length}` }]) {
        const body = "content-length" in headers ? large : inOneChunk(large)
        client.send(http1("POST", set, { ...json, ...headers }, body))
        yield* client.expect("HTTP/1.1 429 ")
        yield* client.expect("resource_exhausted")
        client.send(http1("POST", set, { ...json, "content-length": "2" }, "{}"))
        yield* client.expect("HTTP/1.1 200 OK")
      }
    })
  )

  it.live("leaves it when the handler read nothing, a part and paused, or a part and went away", () =>
    Effect.gen(function* () {
      const { port } = yield* serve(careless)
      const client = yield* wire(port)
      for (const path of ["/none", "/paused", "/left"]) {
        client.send(http1("POST", path, { "transfer-encoding": "chunked" }, inOneChunk(large)))
        yield* client.expect("answered")
      }
      client.send(http1("GET", "/none"))
      yield* client.expect("answered")
    })
  )

  it.live("reaches a client that still sends, when it is the last on the connection", () =>
    Effect.gen(function* () {
      const finished = yield* Queue.unbounded<void>()
      const { port } = yield* serve((request, response) => {
        response.once("finish", () => Queue.offerUnsafe(finished, undefined))
        careless(request, response)
      })
      const client = yield* wire(port)
      // The answer waits in this client's system when the rest is sent: a reset would take it away from there.
      client.socket.pause()
      const headers = { connection: "close", "content-length": `${large.length}` }
      client.send(http1("POST", "/paused", headers, large.slice(0, 100_000)))
      yield* Queue.take(finished)
      yield* Effect.sleep(50)
      client.send(large.slice(100_000))
      yield* Effect.sleep(50)
      client.socket.resume()
      yield* client.expect("answered")
      yield* client.closed
    })
  )

  it.live("does not make the listener read for ever", () =>
    Effect.gen(function* () {
      const { port } = yield* serve((_, response) => void response.end("answered"), {
        limits: { unreadBodyBytesMax: 1_000_000 }
      })
      const client = yield* wire(port)
      client.send(http1("POST", "/", { "transfer-encoding": "chunked" }))
      yield* client.expect("answered")
      const pour = setInterval(() => client.send(`10000\r\n${"x".repeat(65_536)}\r\n`), 1)
      yield* client.closed
      clearInterval(pour)
    })
  )

  it.live("ends its own stream over HTTP/2, with its trailers, and no other", () =>
    Effect.gen(function* () {
      const { url } = yield* serve(rpc)
      const over = yield* session(url)
      const connect = { ":method": "POST", ":path": set, ...json }
      const refused = yield* call(over, connect, (stream) => stream.write(large))
      assert.strictEqual(refused.status, 429)
      assert.include(refused.body, "resource_exhausted")
      const grpc = { ":method": "POST", ":path": set, "content-type": "application/grpc" }
      const message = Buffer.alloc(3_000_005, "x")
      message.writeUInt32BE(0, 0)
      message.writeUInt32BE(3_000_000, 1)
      const refusedToo = yield* call(over, grpc, (stream) => stream.write(message))
      assert.strictEqual(refusedToo.trailers["grpc-status"], "8")
      const next = yield* call(over, connect, (stream) => stream.end("{}"))
      assert.strictEqual(next.status, 200)
    })
  )

  it.live(
    "closes its stream over HTTP/2 when the handler read nothing, a part and paused, or a part and went away",
    () =>
      Effect.gen(function* () {
        const closed = yield* Queue.unbounded<string>()
        const { url } = yield* serve(
          (request, response) => {
            response.once("close", () => Queue.offerUnsafe(closed, request.url ?? ""))
            careless(request, response)
          },
          { limits: { unreadLingerMs: 10 } }
        )
        const over = yield* session(url)
        for (const path of ["/none", "/paused", "/left"]) {
          const answer = yield* call(over, { ":method": "POST", ":path": path }, (stream) => stream.write(large))
          assert.deepStrictEqual([answer.status, answer.body, answer.code], [200, "answered", 0])
          assert.strictEqual(yield* Queue.take(closed), path)
        }
      })
  )
})
