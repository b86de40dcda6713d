import { once } from "node:events"
import type { ServerResponse } from "node:http"
import { connect } from "node:net"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Queue, Scope } from "effect"
import type { Handler, ListenerOptions } from "../../../adapters/transport/listener/listen.ts"
import { call, frame, get, http1, preface, serve, session, settings, wire } from "./clients.ts"

/** A listener that can be told to drain before its test is over. Requests to /wait are answered when `finish` is called. */
const drainable = (options: Partial<ListenerOptions> = {}) =>
  Effect.gen(function* () {
    const waiting: Array<() => void> = []
    const arrived = yield* Queue.unbounded<string>()
    const handler: Handler = (request, response) => {
      request.resume()
      Queue.offerUnsafe(arrived, request.url ?? "")
      const answer = () => void response.end("answered")
      if (request.url === "/wait") waiting.push(answer)
      else answer()
    }
    const scope = yield* Scope.make()
    const draining = new AbortController()
    const listening = yield* Scope.provide(serve(handler, { draining, ...options }), scope)
    return {
      ...listening,
      draining: draining.signal,
      arrived: Queue.take(arrived),
      finish: () => {
        for (const answer of waiting) answer()
      },
      drain: Effect.forkChild(Scope.close(scope, Exit.void), { startImmediately: true })
    }
  })

/** `GET http://a/wait`, compressed. */
const getWait = Buffer.from([0x82, 0x86, 0x04, 0x05, ...Buffer.from("/wait"), 0x41, 0x01, 0x61])

describe("draining", () => {
  it.live("closes idle connections of both protocols, and those that said nothing yet", () =>
    Effect.gen(function* () {
      const { port, drain, draining } = yield* drainable()
      const silent = yield* wire(port)
      const undecided = yield* wire(port)
      undecided.send("PRI *")
      const one = yield* wire(port)
      one.send(http1("GET", "/"))
      yield* one.expect("answered")
      const two = yield* wire(port)
      two.send(preface, settings, get(1))
      yield* two.expect("answered")

      assert.isFalse(draining.aborted)
      const drained = yield* drain
      assert.isTrue(draining.aborted)
      yield* silent.closed
      yield* undecided.closed
      assert.strictEqual(yield* one.closed, "")
      // GOAWAY, no error.
      const farewell = yield* two.closed
      const goaway = farewell.indexOf("\0\0\x08\x07\0\0\0\0\0")
      assert.isAtLeast(goaway, 0)
      assert.strictEqual(farewell.slice(goaway + 13, goaway + 17), "\0\0\0\0", "no error")
      yield* Fiber.join(drained)
      assert.isTrue((yield* wire(port)).socket.destroyed, "accepts no more")
    })
  )

  it.live("does not wait for a client of HTTP/2 that keeps its side open", () =>
    Effect.gen(function* () {
      // Longer than any test may take.
      const { port, drain } = yield* drainable({ graceMs: 600_000, limits: { unreadLingerMs: 50 } })
      const half = connect({ port, host: "127.0.0.1", allowHalfOpen: true })
      half.write(Buffer.concat([Buffer.from(preface), settings, get(1)]))
      yield* Effect.promise(() => once(half, "data"))
      half.resume()
      yield* Fiber.join(yield* drain)
      half.destroy()
    })
  )

  it.live("lets an open HTTP/1.1 call finish, and says that it is the last", () =>
    Effect.gen(function* () {
      const { port, drain, arrived, finish } = yield* drainable()
      const client = yield* wire(port)
      client.send(http1("GET", "/wait"))
      yield* arrived
      const drained = yield* drain
      finish()
      const answer = yield* client.closed
      assert.match(answer, /^HTTP\/1\.1 200 [\s\S]*connection: close\r\n[\s\S]*answered$/i)
      yield* Fiber.join(drained)
    })
  )

  it.live("answers an HTTP/1.1 request that was on its way", () =>
    Effect.gen(function* () {
      const { port, drain } = yield* drainable()
      const client = yield* wire(port)
      client.send(http1("GET", "/"))
      yield* client.expect("answered")
      client.send("GET /second HTTP/1.1\r\n")
      yield* Effect.sleep(50)
      const drained = yield* drain
      client.send("host: a\r\n\r\n")
      assert.match(yield* client.closed, /connection: close\r\n[\s\S]*answered$/i)
      yield* Fiber.join(drained)
    })
  )

  it.live("closes an HTTP/1.1 connection after a stream that was begun before", () =>
    Effect.gen(function* () {
      const draining = new AbortController()
      const scope = yield* Scope.make()
      const stream: Handler = (_, response) => {
        ;(response as ServerResponse).write("begun ")
        draining.signal.addEventListener("abort", () => response.end("reconnect"))
      }
      const { port } = yield* Scope.provide(serve(stream, { draining }), scope)
      const client = yield* wire(port)
      client.send(http1("GET", "/"))
      yield* client.expect("begun ")
      yield* Scope.close(scope, Exit.void)
      assert.include(yield* client.closed, "reconnect")
    })
  )

  it.live("lets open HTTP/2 streams finish, and tells which one is the last", () =>
    Effect.gen(function* () {
      const { port, drain, arrived, finish } = yield* drainable()
      const client = yield* wire(port)
      client.send(preface, settings, get(1))
      yield* client.expect("answered")
      client.send(frame(1, 5, 3, getWait))
      yield* arrived
      yield* arrived
      const drained = yield* drain
      yield* client.expect("\0\0\x08\x07\0\0\0\0\0\0\0\0\x03\0\0\0\0")
      client.send(get(5))
      finish()
      yield* client.expect("answered")
      assert.notInclude(yield* client.closed, "answered")
      yield* Fiber.join(drained)
    })
  )

  it.live("closes the sessions of well-behaved clients when their calls are done", () =>
    Effect.gen(function* () {
      const { url, drain, arrived, finish } = yield* drainable()
      const over = yield* session(url)
      const answer = yield* Effect.forkChild(call(over, { ":path": "/wait" }), { startImmediately: true })
      yield* arrived
      const drained = yield* drain
      yield* Effect.sleep(20)
      finish()
      assert.strictEqual((yield* Fiber.join(answer)).body, "answered")
      yield* Fiber.join(drained)
    })
  )

  it.live("cuts what is left when the grace is over", () =>
    Effect.gen(function* () {
      const { port, drain, arrived } = yield* drainable({ graceMs: 50 })
      const one = yield* wire(port)
      one.send(http1("GET", "/wait"))
      yield* arrived
      const two = yield* wire(port)
      two.send(preface, settings, frame(1, 5, 1, getWait))
      yield* arrived
      yield* Fiber.join(yield* drain)
      yield* one.closed
      yield* two.closed
    })
  )
})
