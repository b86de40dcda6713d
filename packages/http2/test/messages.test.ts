import { assert, describe, it } from "@effect/vitest"
import { Effect, Queue } from "effect"
import type { Handler } from "../index.ts"
import { call, echo, frame, preface, session, settings, wire } from "./clients.ts"
import { serve } from "./server.ts"

const text = (chars: string) => Buffer.concat([Buffer.from([chars.length]), Buffer.from(chars, "latin1")])
/** Literals, none of them for the table. */
const block = (fields: Readonly<Record<string, string>>) =>
  Buffer.concat(
    Object.entries(fields).map(([name, value]) => Buffer.concat([Buffer.from([0]), text(name), text(value)]))
  )
const whole = { ":method": "GET", ":scheme": "http", ":path": "/", ":authority": "localhost:8080" }

describe("a malformed request is refused, and the next one is served", () => {
  const refused: Readonly<Record<string, Readonly<Record<string, string>>>> = {
    "a path without its slash": { ...whole, ":path": "path" },
    "a path with a host in it": { ...whole, ":path": "http://elsewhere/" },
    "a path in two words": { ...whole, ":path": "/a b" },
    "a path in other letters": { ...whole, ":path": "/\xfc" },
    "a path that is none, for another method": { ...whole, ":path": "*" },
    "a method in two words": { ...whole, ":method": "GET /" },
    "another host than the authority": { ...whole, host: "elsewhere" },
    "no host, and an authority": { ...whole, host: "" },
    "a value that rings": { ...whole, "x-a": "a\x07b" },
    "a value with a line in it": { ...whole, "x-a": "a\nb" },
    "an authority with a line in it": { ...whole, ":authority": "a\r\nb" },
    "a name in capitals": { ...whole, "X-A": "b" },
    "a name in two words": { ...whole, "x a": "b" },
    "a length that is none": { ...whole, "content-length": "+0" },
    "two lengths": { ...whole, "content-length": "0, 0" }
  }
  for (const [what, fields] of Object.entries(refused)) {
    it.live(what, () =>
      Effect.gen(function* () {
        const { port } = yield* serve(echo)
        const client = yield* wire(port)
        client.send(preface, settings, frame(1, 5, 1, block(fields)), frame(1, 5, 3, block(whole)))
        // RST_STREAM with PROTOCOL_ERROR.
        yield* client.expect("\0\0\x04\x03\0\0\0\0\x01\0\0\0\x01")
        yield* client.expect("2.0 GET / ")
      })
    )
  }

  const served: Readonly<Record<string, readonly [fields: Readonly<Record<string, string>>, echoed: string]>> = {
    "the path that is none, for OPTIONS": [{ ...whole, ":method": "OPTIONS", ":path": "*" }, "2.0 OPTIONS * "],
    "a host that is the authority": [{ ...whole, host: "LOCALHOST:8080" }, "2.0 GET / "],
    "a host without an authority": [{ ":method": "GET", ":scheme": "http", ":path": "/", host: "a" }, "2.0 GET / "],
    "a path with whatever else it may have": [{ ...whole, ":path": '/a%20b?c=d&e#f"<>' }, "2.0 GET /a%20b?c=d&e#f"],
    "a method of its own": [{ ...whole, ":method": "PURGE" }, "2.0 PURGE / "]
  }
  for (const [what, [fields, echoed]] of Object.entries(served)) {
    it.live(`but not ${what}`, () =>
      Effect.gen(function* () {
        const { port } = yield* serve(echo)
        const client = yield* wire(port)
        client.send(preface, settings, frame(1, 5, 1, block(fields)))
        yield* client.expect(echoed)
      })
    )
  }
})

describe("an answer", () => {
  const bad: Readonly<Record<string, Handler>> = {
    "a value that ends its line": (_, response) => void response.setHeader("x-a", "a\r\nset-cookie: b=c"),
    "a value that would end its line once it is cut": (_, response) => void response.setHeader("x-a", "a\u010d\u010ab"),
    "one of several such values": (_, response) => void response.setHeader("x-a", ["a", "b\0"]),
    "such a value with the status": (_, response) => void response.writeHead(200, { "x-a": "a\nb" }),
    "a name in two words": (_, response) => void response.setHeader("x a", "b"),
    "a name that is none": (_, response) => void response.setHeader(":status", "200"),
    "a trailer that ends its line": (_, response) => void response.addTrailers({ "x-a": "a\nb" })
  }
  for (const [what, handler] of Object.entries(bad)) {
    it.live(`is not sent with ${what}`, () =>
      Effect.gen(function* () {
        const { url } = yield* serve((request, response) => {
          handler(request, response)
          response.end("answered")
        })
        assert.deepInclude(yield* call(yield* session(url)), { status: 500, body: "", code: 0 })
      })
    )
  }

  it.live("that has no body gets none", () =>
    Effect.gen(function* () {
      const { url } = yield* serve((request, response) => {
        response.statusCode = Number(request.url?.slice(1))
        response.write("a body")
        response.end("and more")
      })
      const over = yield* session(url)
      for (const [method, status] of [
        ["GET", 204],
        ["GET", 304],
        ["HEAD", 200]
      ] as const) {
        const answer = yield* call(over, { ":method": method, ":path": `/${status}` })
        assert.deepInclude(answer, { status, body: "", code: 0 })
      }
      assert.strictEqual((yield* call(over, { ":path": "/200" })).body, "a bodyand more")
    })
  )

  it.live("is finished before it is closed when it is out, and only closed when it is not", () =>
    Effect.gen(function* () {
      const told = yield* Queue.unbounded<string>()
      const { url } = yield* serve((request, response) => {
        const tell = (what: string) => Queue.offerUnsafe(told, `${request.url} ${what} ${response.writableFinished}`)
        response.on("finish", () => tell("finish")).on("close", () => tell("close"))
        if (request.url === "/whole") response.end("answered")
        else if (request.url === "/head") response.writeHead(204).end()
        else if (request.url === "/early") response.end("answered")
        else response.write("begun")
      })
      const over = yield* session(url)
      for (const path of ["/whole", "/head"]) {
        yield* call(over, { ":path": path })
        assert.deepStrictEqual(
          [yield* Queue.take(told), yield* Queue.take(told)],
          [`${path} finish true`, `${path} close true`]
        )
      }
      yield* call(over, { ":method": "POST", ":path": "/early" }, (stream) => stream.write("half"))
      assert.deepStrictEqual(
        [yield* Queue.take(told), yield* Queue.take(told)],
        ["/early finish true", "/early close true"]
      )
      yield* call(over, { ":path": "/left" }, (stream) => stream.once("data", () => stream.close(8)).end())
      assert.strictEqual(yield* Queue.take(told), "/left close false")
    })
  )

  it.live("makes its writer wait, piece by piece", () =>
    Effect.gen(function* () {
      let most = 0
      const { url } = yield* serve((_, response) => {
        let pieces = 100
        const more = () => {
          while (pieces-- > 0) {
            const isRoom = response.write("x".repeat(10_000))
            most = Math.max(most, response.writableLength)
            if (!isRoom) return void response.once("drain", more)
          }
          response.end()
        }
        more()
      })
      const answer = yield* call(yield* session(url))
      assert.strictEqual(answer.body.length, 1_000_000)
      assert.isBelow(most, 200_000)
    })
  )
})
