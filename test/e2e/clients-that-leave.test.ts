import { once } from "node:events"
import { connect } from "node:http2"
import { create, toBinary } from "@bufbuild/protobuf"
import { afterAll, assert, beforeAll, describe, test } from "vitest"
import { EntitySchema, StreamOptsSchema } from "../../proto/gen/stategate/stategate_pb.js"
import { type GatewayProcess, startGateway } from "../support/process.ts"
import { rawConnection } from "./clients/raw.ts"

// Clients leave in the middle, and send what is no message. That is their business: an error in the log is the gateway's.

let gateway: GatewayProcess
beforeAll(async () => {
  gateway = await startGateway()
})
afterAll(() => gateway?.stop())

const framed = (message: Uint8Array, flags = 0) => {
  const head = Buffer.from([flags, 0, 0, 0, 0])
  head.writeUInt32BE(message.length, 1)
  return Buffer.concat([head, message])
}

const json = Buffer.from('{"domain":"d","type":"t","key":"k","values":{"a":1}}')
const entity = Buffer.from(
  toBinary(EntitySchema, create(EntitySchema, { domain: "d", type: "t", key: "k", values: {} }))
)
const watch = Buffer.from(toBinary(StreamOptsSchema, create(StreamOptsSchema, { domain: "d", type: "t" })))
const watchJson = Buffer.from('{"domain":"d","type":"t"}')

const set = "/stategate.EntityService/Set"
const stream = "/stategate.EventService/Stream"

type Request = readonly [path: string, type: string, body: Buffer]

const requests: Readonly<Record<string, Request>> = {
  gRPC: [set, "application/grpc", framed(entity)],
  "gRPC in JSON": [set, "application/grpc+json", framed(json)],
  "gRPC-web": [set, "application/grpc-web", framed(entity)],
  "gRPC-web as text": [set, "application/grpc-web-text", Buffer.from(framed(entity).toString("base64"))],
  Connect: [set, "application/proto", entity],
  "Connect in JSON": [set, "application/json", json],
  "Connect, a stream": [stream, "application/connect+json", framed(watchJson)],
  REST: ["/api/entity/ref/d/t/k", "application/json", json]
}

const streams: Readonly<Record<string, Request>> = {
  gRPC: [stream, "application/grpc", framed(watch)],
  "gRPC in JSON": [stream, "application/grpc+json", framed(watchJson)],
  "gRPC-web": [stream, "application/grpc-web", framed(watch)],
  "gRPC-web as text": [stream, "application/grpc-web-text", Buffer.from(framed(watch).toString("base64"))],
  Connect: [stream, "application/connect+proto", framed(watch)]
}

/** The line of a call, which is neither an error nor blames the gateway. */
const lineOf = async (callId: string) => {
  const line = await gateway.line((entry) => entry["callId"] === callId)
  assert.include(["info", "warn"], line["level"], JSON.stringify(line))
  assert.notInclude(["internal", "unknown"], line["code"], JSON.stringify(line))
  return line
}

let calls = 0
const nextId = () => `call-${++calls}`

const head = ([path, type, body]: Request, callId: string) =>
  [
    `POST ${path} HTTP/1.1`,
    "host: localhost",
    `content-type: ${type}`,
    `x-request-id: ${callId}`,
    `content-length: ${body.length}`,
    "expect: 100-continue",
    "\r\n"
  ].join("\r\n")

const overHttp2 = ([path, type]: Request, callId: string) => {
  const session = connect(gateway.url)
  session.on("error", () => {})
  const sent = session.request({ ":method": "POST", ":path": path, "content-type": type, "x-request-id": callId })
  sent.on("error", () => {}).resume()
  return { session, sent }
}

describe("a client that leaves in the middle of its request has canceled it", () => {
  for (const [name, request] of Object.entries(requests)) {
    const isHttp1 = !name.startsWith("gRPC") || name.startsWith("gRPC-web")
    const overHttp1 = async () => {
      const callId = nextId()
      const { socket, received } = await rawConnection(gateway.url)
      socket.write(head(request, callId))
      while (!received().includes("100 Continue")) await once(socket, "data")
      socket.write(request[2].subarray(0, 7))
      socket.destroy()
      assert.strictEqual((await lineOf(callId))["code"], "canceled")
    }
    if (isHttp1) test(`${name}, over HTTP/1.1`, overHttp1)

    // The fast path of gRPC has not begun a call whose message is not there yet.
    if (name === "gRPC") continue
    test(`${name}, over HTTP/2`, async () => {
      for (const leave of ["reset", "destroy"]) {
        const callId = nextId()
        const { session, sent } = overHttp2(request, callId)
        await once(session, "connect")
        sent.write(request[2].subarray(0, 7))
        // Answered behind it on the same connection: the request above has arrived.
        const behind = session.request({ ":path": "/livez" })
        await once(behind.resume(), "end")
        // Its close() would end the request first.
        if (leave === "reset") sent.destroy()
        else session.destroy()
        assert.strictEqual((await lineOf(callId))["code"], "canceled")
        session.destroy()
      }
    })
  }
})

describe("a client that leaves its stream has canceled it", () => {
  for (const [name, request] of Object.entries(streams)) {
    test(name, async () => {
      const callId = nextId()
      const { session, sent } = overHttp2(request, callId)
      sent.end(request[2])
      await once(sent, "response")
      session.destroy()
      assert.strictEqual((await lineOf(callId))["code"], "canceled")
    })
  }

  test.each(["application/x-ndjson", "text/event-stream"])("%s", async (accept) => {
    const callId = nextId()
    const left = new AbortController()
    const headers = { accept, "x-request-id": callId }
    const answer = await fetch(`${gateway.url}/api/events/stream?domain=d&type=t`, { headers, signal: left.signal })
    assert.strictEqual(answer.status, 200)
    left.abort()
    assert.strictEqual((await lineOf(callId))["code"], "canceled")
  })
})

describe("a client that ends its side of the connection has canceled the stream on it", () => {
  const stopsSpeaking = async (head: ReadonlyArray<string>, body = "") => {
    const callId = nextId()
    const { socket } = await rawConnection(gateway.url)
    socket.end([...head, "host: localhost", `x-request-id: ${callId}`, "", body].join("\r\n"))
    assert.strictEqual((await lineOf(callId))["code"], "canceled")
  }

  test.each(["application/x-ndjson", "text/event-stream"])("%s", (accept) =>
    stopsSpeaking(["GET /api/events/stream?domain=d&type=t HTTP/1.1", `accept: ${accept}`])
  )

  test("Connect", () => {
    const body = framed(watchJson).toString("latin1")
    const fields = ["content-type: application/connect+json", `content-length: ${body.length}`]
    return stopsSpeaking([`POST ${stream} HTTP/1.1`, ...fields], body)
  })
})

describe("what is no message is the caller's mistake in the log, too", () => {
  const bad: Readonly<Record<string, readonly [...Request, headers?: Record<string, string>]>> = {
    "gRPC: half a frame": [set, "application/grpc", framed(entity).subarray(0, 9)],
    "gRPC: two messages": [set, "application/grpc", Buffer.concat([framed(entity), framed(entity)])],
    "gRPC: compressed, and nobody says how": [set, "application/grpc", framed(entity, 1)],
    "gRPC in JSON: compressed, and nobody says how": [set, "application/grpc+json", framed(json, 1)],
    "gRPC: an encoding that nobody knows": [set, "application/grpc", framed(entity, 1), { "grpc-encoding": "zstd" }],
    "gRPC: compressed, and it is not": [set, "application/grpc", framed(entity, 1), { "grpc-encoding": "gzip" }],
    "gRPC: no message of protocol buffers": [set, "application/grpc", framed(Buffer.from([0x0a, 0xff]))],
    "gRPC: no message, in a stream": [stream, "application/grpc", framed(Buffer.from([0x0a, 0xff]))],
    "gRPC-web: half a frame": [set, "application/grpc-web", framed(entity).subarray(0, 3)],
    "gRPC-web: compressed, and nobody says how": [set, "application/grpc-web", framed(entity, 1)],
    "gRPC-web: no base64": [set, "application/grpc-web-text", Buffer.from("?")],
    "Connect: no gzip": [set, "application/proto", entity, { "content-encoding": "gzip" }],
    "Connect: no brotli": [set, "application/proto", entity, { "content-encoding": "br" }],
    "Connect: no JSON": [set, "application/json", json.subarray(1)],
    "Connect: no UTF-8": [set, "application/json", Buffer.from([0x7b, 0xff, 0x7d])],
    "Connect: a frame too large": [stream, "application/connect+json", Buffer.from([0, 0xff, 0xff, 0xff, 0xff])],
    "Connect: compressed, and nobody says how": [stream, "application/connect+json", framed(watchJson, 1)],
    "Connect: the end of a stream that did not begin": [stream, "application/connect+json", framed(watchJson, 2)],
    "REST: no JSON": ["/api/entity/ref/d/t/k", "application/json", json.subarray(1)]
  }

  for (const [name, [path, type, body, headers = {}]] of Object.entries(bad)) {
    test(name, async () => {
      const callId = nextId()
      const session = connect(gateway.url)
      session.on("error", () => {})
      const fields = { ":path": path, "content-type": type, "x-request-id": callId, ...headers }
      const sent = session.request({ ":method": "POST", ...fields })
      sent.on("error", () => {}).resume()
      sent.end(body)
      await once(sent, "close")
      const line = await lineOf(callId)
      assert.include(["invalid_argument", "unimplemented", "resource_exhausted"], line["code"], JSON.stringify(line))
      session.destroy()
    })
  }
})

test("none of it was an error", () => {
  assert.deepStrictEqual(
    gateway.log.filter(({ level }) => level === "error"),
    []
  )
  assert.strictEqual(gateway.stderr(), "")
})
