import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Queue, Scope } from "effect"
import { openssl, testCertificates } from "../../support/certificate.ts"
import { call, echo, http1, serve, session, wire } from "./clients.ts"

const { ca, cert, key, strangerCert, strangerKey } =
  openssl.found === undefined ? { ca: "", cert: "", key: "", strangerCert: "", strangerKey: "" } : testCertificates()

describe("one port with TLS", openssl.options, () => {
  it.live("serves HTTP/2 and HTTP/1.1 by ALPN, and HTTP/1.1 to a client without ALPN", () =>
    Effect.gen(function* () {
      const { port, url } = yield* serve(echo, { tls: { cert, key } })
      assert.match(url, /^https:/)
      assert.strictEqual((yield* call(yield* session(url, { ca }))).body, "2.0 GET / ")
      for (const tls of [{ ca, ALPNProtocols: ["http/1.1"] }, { ca }]) {
        const client = yield* wire(port, tls)
        client.send(http1("GET", "/"))
        yield* client.expect("1.1 GET / ")
      }
    })
  )

  it.live("puts no more listeners on a socket than runtimes take for harmless", () =>
    Effect.gen(function* () {
      const warnings: Array<string> = []
      const onWarning = ({ name, message }: Error) => {
        if (name === "MaxListenersExceededWarning") warnings.push(message)
      }
      yield* Effect.acquireRelease(
        Effect.sync(() => process.on("warning", onWarning)),
        () => Effect.sync(() => process.off("warning", onWarning))
      )
      for (const certificates of [{ cert, key }, undefined]) {
        const tls = certificates && { ca }
        const { port, url } = yield* serve(echo, { tls: certificates })
        const client = yield* wire(port, tls)
        for (let asked = 0; asked < 12; asked++) {
          client.send(http1("POST", "/", { "content-length": "2" }, "hi"))
          yield* client.expect("1.1 POST / hi")
        }
        const over = yield* session(url, tls)
        for (let asked = 0; asked < 12; asked++) yield* call(over)
      }
      // Warnings come a turn of the event loop later.
      yield* Effect.sleep(1)
      assert.deepStrictEqual(warnings, [])
    })
  )

  it.live("closes a client that speaks plain HTTP, or nonsense, and goes on", () =>
    Effect.gen(function* () {
      const { port, url } = yield* serve(echo, { tls: { cert, key } })
      for (const said of [http1("GET", "/"), "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "\x16\x03\x01nonsense"]) {
        const client = yield* wire(port)
        client.send(said)
        client.socket.end()
        assert.notInclude(yield* client.closed, "HTTP/1.1 200")
      }
      assert.strictEqual((yield* call(yield* session(url, { ca }))).status, 200)
    })
  )

  it.live("closes a client that does not finish its handshake", () =>
    Effect.gen(function* () {
      const { port } = yield* serve(echo, { tls: { cert, key }, limits: { handshakeMsMax: 50 } })
      yield* (yield* wire(port)).closed
    })
  )

  it.live("with a client CA, lets in only clients with its certificates", () =>
    Effect.gen(function* () {
      const { port, url } = yield* serve(echo, { tls: { cert, key, clientCa: ca } })
      assert.strictEqual((yield* call(yield* session(url, { ca, cert, key }))).status, 200)
      for (const shown of [{}, { cert: strangerCert, key: strangerKey }]) {
        const client = yield* wire(port, { ca, ...shown })
        client.send(http1("GET", "/"))
        assert.strictEqual(yield* client.closed, "")
      }
    })
  )

  it.live("drains handshakes, idle and open connections", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const { port, url } = yield* Scope.provide(serve(echo, { tls: { cert, key } }), scope)
      const handshaking = yield* wire(port)
      const one = yield* wire(port, { ca })
      one.send(http1("GET", "/"))
      yield* one.expect("1.1 GET / ")
      const over = yield* session(url, { ca })
      yield* call(over)
      yield* Scope.close(scope, Exit.void)
      yield* handshaking.closed
      yield* one.closed
    })
  )

  it.live("lets the calls on open connections finish when it drains", () =>
    Effect.gen(function* () {
      const waiting = yield* Queue.unbounded<() => void>()
      const scope = yield* Scope.make()
      const { port, url } = yield* Scope.provide(
        serve((_, response) => void Queue.offerUnsafe(waiting, () => response.end("answered")), { tls: { cert, key } }),
        scope
      )
      const one = yield* wire(port, { ca })
      one.send(http1("GET", "/"))
      const two = yield* Effect.forkChild(call(yield* session(url, { ca })), { startImmediately: true })
      const answers = [yield* Queue.take(waiting), yield* Queue.take(waiting)]
      const drained = yield* Effect.forkChild(Scope.close(scope, Exit.void), { startImmediately: true })
      yield* Effect.sleep(20)
      for (const answer of answers) answer()
      yield* one.expect("answered")
      assert.strictEqual((yield* Fiber.join(two)).body, "answered")
      yield* Fiber.join(drained)
    })
  )
})
