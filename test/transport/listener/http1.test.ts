import { assert, describe, it } from "@effect/vitest"
import { Effect, Queue } from "effect"
import type { Handler } from "../../../adapters/transport/listener/listen.ts"
import { echo, http1, serve, wire } from "./clients.ts"

const answersLate: Handler = (request, response) => {
  request.resume()
  setTimeout(() => response.end(`${request.method} ${request.url} answered`), 50)
}

describe("requests of one HTTP/1.1 connection", () => {
  it.live("that are sent at once take effect in their order, the next when the one before is answered", () =>
    Effect.gen(function* () {
      const happened: Array<string> = []
      const { port } = yield* serve((request, response) => {
        happened.push(`${request.method} begins`)
        const ms = request.method === "POST" ? 50 : 0
        request.resume().on("end", () =>
          setTimeout(() => {
            happened.push(`${request.method} ends`)
            response.end(`${request.method} done`)
          }, ms)
        )
      })
      const client = yield* wire(port)
      client.send(
        http1("POST", "/", { "content-length": "2" }, "hi") +
          http1("DELETE", "/") +
          http1("PUT", "/", { "content-length": "2" }, "hi")
      )
      yield* client.expect("PUT done")
      const inOrder = ["POST", "DELETE", "PUT"].flatMap((method) => [`${method} begins`, `${method} ends`])
      assert.deepStrictEqual(happened, inOrder)
    })
  )

  it.live("that are sent at once are begun no sooner than the answers before them are read", () =>
    Effect.gen(function* () {
      let begun = 0
      const { port } = yield* serve((_, response) => {
        begun += 1
        response.end(Buffer.alloc(8_000_000, "x"))
      })
      const client = yield* wire(port)
      client.socket.pause()
      client.send(http1("GET", "/").repeat(100))
      const other = yield* wire(port)
      for (let asked = 0; asked < 20; asked++) {
        other.send(http1("HEAD", "/"))
        yield* other.expect("\r\n\r\n")
      }
      assert.strictEqual(begun, 21)
      client.socket.resume()
      while (begun < 40) yield* Effect.sleep(5)
    })
  )
})

describe("what is no request", () => {
  const unfit = {
    "with two Hosts": `${http1("GET", "/", { Host: "b" })}`,
    "with a Host that is none": "GET / HTTP/1.1\r\nhost: a b\r\n\r\n",
    "with a port that is none": "GET / HTTP/1.1\r\nhost: a:70000\r\n\r\n",
    "without a Host": "GET / HTTP/1.1\r\naccept: */*\r\n\r\n",
    "that is not HTTP": "nonsense\r\n\r\n",
    "with a space in the name of a header": http1("GET", "/", { "a b": "c" }),
    "with two lengths": http1("POST", "/", { "content-length": "1", "Content-Length": "2" }),
    "behind a request": `${http1("GET", "/")}nonsense\r\n\r\n`
  }
  for (const [what, said] of Object.entries(unfit)) {
    it.live(`${what} gets a Status`, () =>
      Effect.gen(function* () {
        const { port } = yield* serve(echo)
        const client = yield* wire(port)
        client.send(said)
        const answer = (yield* client.closed).replace(/^HTTP\/1\.1 200 [\s\S]*?(?=HTTP\/1\.1 4)/, "")
        const [head = "", body = ""] = answer.split("\r\n\r\n")
        assert.match(head, /^HTTP\/1\.1 400 Bad Request/)
        assert.match(head, /\r\nx-request-id: \S+/i)
        assert.match(head, /\r\ncontent-type: application\/json/i)
        assert.containsAllKeys(JSON.parse(body), ["code", "message"])
      })
    )
  }
})

describe("every request of a connection", () => {
  const first = http1("GET", "/first")
  const times = { headersMsMax: 100, requestMsMax: 100, lateCheckMs: 10 }

  it.live("has its time for its headers", () =>
    Effect.gen(function* () {
      const { port } = yield* serve(echo, { limits: { ...times, requestMsMax: 60_000 } })
      const client = yield* wire(port)
      client.send(first)
      yield* client.expect("1.1 GET /first ")
      client.send("GET / HTTP/1.1\r\n")
      assert.match(yield* client.closed, /^HTTP\/1\.1 408 /)
    })
  )

  it.live("has its time for its headers, from the answer before it on, if they began to come before that", () =>
    Effect.gen(function* () {
      const { port } = yield* serve(answersLate, { limits: { ...times, requestMsMax: 60_000 } })
      const client = yield* wire(port)
      client.send(first)
      yield* Effect.sleep(10)
      client.send("GET / HTTP/1.1\r\n")
      yield* client.expect("GET /first answered")
      assert.match(yield* client.closed, /HTTP\/1\.1 408 /)
    })
  )

  const partial = "GET / HTTP/1.1\r\nho"
  const bodies = {
    "a request without a body": first,
    "a body of known length": http1("POST", "/first", { "content-length": "6" }, "a\r\n\r\nb"),
    "a chunked body": http1("POST", "/first", { "transfer-encoding": "chunked" }, "4\r\n\r\n\r\n\r\n0\r\n\r\n")
  }
  for (const [behind, said] of Object.entries(bodies)) {
    it.live(`has its time for its headers, if they began to come together with ${behind}`, () =>
      Effect.gen(function* () {
        const { port } = yield* serve(echo, { limits: { ...times, requestMsMax: 60_000 } })
        // The head may come in any pieces.
        for (const at of [said.length, said.indexOf("\r\n\r\n") + 3, said.indexOf("\r\n\r\n") + 1]) {
          const client = yield* wire(port)
          const all = said + partial
          client.send(all.slice(0, at))
          yield* Effect.sleep(5)
          client.send(all.slice(at))
          yield* client.expect(" /first ")
          assert.match(yield* client.closed, /HTTP\/1\.1 408 /)
        }
        const together = yield* wire(port)
        together.send(said + partial)
        yield* together.expect(" /first ")
        assert.match(yield* together.closed, /HTTP\/1\.1 408 /)
      })
    )

    it.live(`is waited for longer than that behind ${behind}`, () =>
      Effect.gen(function* () {
        const { port } = yield* serve(echo, { limits: { ...times, requestMsMax: 60_000 } })
        const client = yield* wire(port)
        const at = said.indexOf("\r\n\r\n") + 3
        client.send(said.slice(0, at))
        yield* Effect.sleep(5)
        // Line breaks between requests are none.
        client.send(`${said.slice(at)}\r\n`)
        yield* client.expect(" /first ")
        yield* Effect.sleep(300)
        client.send(http1("GET", "/second"))
        yield* client.expect("1.1 GET /second ")
      })
    )
  }

  it.live("is waited for from the answer before it on, however long that took to make", () =>
    Effect.gen(function* () {
      const answersIn1100Ms: Handler = (_, response) => void setTimeout(() => response.end("late"), 1_100)
      const { port } = yield* serve(answersIn1100Ms, { limits: { keepAliveMs: 1_000, lateCheckMs: 10 } })
      const client = yield* wire(port)
      for (let asked = 0; asked < 2; asked++) {
        client.send(http1("GET", "/"))
        yield* client.expect("late")
        yield* Effect.sleep(100)
      }
    })
  )

  it.live("has its time for its body", () =>
    Effect.gen(function* () {
      const { port } = yield* serve(echo, { limits: { ...times, headersMsMax: 60_000 } })
      const half = http1("POST", "/", { "content-length": "10" }, "half")
      for (const isAtOnce of [true, false]) {
        const client = yield* wire(port)
        client.send(isAtOnce ? first + half : first)
        yield* client.expect("1.1 GET /first ")
        if (!isAtOnce) client.send(half)
        assert.match(yield* client.closed, /^HTTP\/1\.1 408 /)
      }
    })
  )

  it.live("must have its answer read in time", () =>
    Effect.gen(function* () {
      const closed = yield* Queue.unbounded<void>()
      const { port } = yield* serve(
        (request, response) => {
          if (request.url === "/first") return void response.end("first")
          response.once("close", () => Queue.offerUnsafe(closed, undefined))
          response.end(Buffer.alloc(20_000_000, "x"))
        },
        { limits: { unreadMsMax: 100, lateCheckMs: 10 } }
      )
      const client = yield* wire(port)
      client.send(first)
      yield* client.expect("first")
      client.socket.pause()
      client.send(http1("GET", "/"))
      yield* Queue.take(closed)
    })
  )

  it.live("counts what it has sent behind an answer without end", () =>
    Effect.gen(function* () {
      const { port } = yield* serve((_, response) => void response.write("it begins"), {
        limits: { sessionsHeldBytesMax: 400_000 },
        graceMs: 0
      })
      const client = yield* wire(port)
      client.send(http1("GET", "/"))
      yield* client.expect("it begins")
      const body = "x".repeat(100_000)
      let sent = 0
      const socket = client.socket
      const pour = setInterval(() => {
        if (socket.writableNeedDrain || sent > 300_000_000) return
        sent += body.length
        socket.write(http1("POST", "/", { "content-length": `${body.length}` }, body))
      }, 1)
      yield* Effect.sleep(500)
      clearInterval(pour)
      // What the systems of both sides hold, and no more: nothing behind the open answer is read.
      assert.isBelow(sent, 30_000_000)
    })
  )
})
