import { Agent, request } from "node:http"
import { type ClientHttp2Session, connect } from "node:http2"
import { afterAll, assert, beforeAll, describe, test } from "vitest"
import { type GatewayProcess, startGateway } from "../support/process.ts"
import { within } from "./clients/client.ts"
import { assertNothingStored } from "./clients/nothing.ts"

// What no client library would send, over real sockets. It is answered as the caller's mistake, nothing is stored, and
// the same connection serves the next call.

let gateway: GatewayProcess
beforeAll(async () => {
  gateway = await startGateway()
})
afterAll(() => gateway?.stop())

interface Answered {
  readonly status: number | undefined
  readonly headers: Readonly<Record<string, unknown>>
  readonly body: string
}

describe("bytes on an HTTP/1.1 connection that is kept", () => {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  afterAll(() => agent.destroy())

  const send = (method: string, path: string, body: string | Uint8Array = "", headers: Record<string, string> = {}) =>
    new Promise<Answered & { readonly reused: boolean }>((resolve, reject) => {
      const signal = AbortSignal.timeout(20_000)
      const call = request(gateway.url + path, { method, headers, agent, signal }, async (response) => {
        const chunks: Array<Buffer> = []
        for await (const chunk of response) chunks.push(chunk)
        const { statusCode: status, headers: heads } = response
        resolve({ status, headers: heads, body: Buffer.concat(chunks).toString(), reused: call.reusedSocket })
      })
      call.on("error", reject).end(body)
    })

  const json = { "content-type": "application/json" }
  const entity = "/api/entity/ref/d/t/k"
  const deep = `${'{"a":'.repeat(10_000)}1${"}".repeat(10_000)}`
  const set = "/stategate.EntityService/Set"
  const big = `{"values":{"a":"${"x".repeat(10_000_000)}"}}`

  const cases: Readonly<Record<string, readonly [status: number, ...Parameters<typeof send>]>> = {
    "REST: malformed JSON": [400, "POST", entity, '{"values":', json],
    "REST: JSON that is no object": [400, "POST", entity, "[]", json],
    "REST: no UTF-8": [400, "POST", entity, Uint8Array.of(0x7b, 0xff, 0x7d), json],
    "REST: a field that is unknown": [400, "POST", entity, '{"values":{},"valeus":{}}', json],
    "REST: a lone surrogate": [400, "POST", entity, '{"values":{"a":"\\ud800"}}', json],
    "REST: a lone surrogate as a key": [400, "POST", entity, '{"values":{"\\udc00":1}}', json],
    "REST: 10,000 levels deep": [400, "POST", entity, `{"values":${deep}}`, json],
    "REST: 10 MB": [400, "POST", entity, big, json],
    "REST: a broken escape in the path": [400, "POST", "/api/entity/ref/d/t/%ff", '{"values":{}}', json],
    "REST: a body where none belongs": [400, "DELETE", entity, "{}", { ...json, "content-length": "2" }],
    "REST: another media type": [415, "POST", entity, "<values/>", { "content-type": "application/xml" }],
    "REST: no media type": [415, "POST", entity, '{"values":{}}'],
    "REST: a path that does not exist": [404, "GET", "/api/entity"],
    "REST: an empty name": [404, "GET", "/api/entity/ref/d/t/"],
    "REST: another method": [405, "PUT", entity, "{}", json],
    "Connect: malformed JSON": [400, "POST", set, '{"values":', json],
    "Connect: a lone surrogate": [
      400,
      "POST",
      set,
      '{"domain":"d","type":"t","key":"k","values":{"a":"\\ud800"}}',
      json
    ],
    "Connect: 10,000 levels deep": [400, "POST", set, `{"domain":"d","type":"t","key":"k","values":${deep}}`, json],
    "Connect: 10 MB": [429, "POST", set, `{"domain":"d","type":"t","key":"k",${big.slice(1)}`, json],
    "Connect: malformed protobuf": [
      400,
      "POST",
      set,
      Uint8Array.of(0x0a, 0xff, 1),
      { "content-type": "application/proto" }
    ],
    "Connect: another media type": [415, "POST", set, "x", { "content-type": "text/plain" }],
    "Connect: another method": [405, "DELETE", set],
    "Connect: a method that does not exist": [404, "POST", "/stategate.EntityService/Drop", "{}", json]
  }

  test.each(Object.entries(cases))("%s", async (what, [status, ...args]) => {
    const answer = await send(...args)
    assert.strictEqual(answer.status, status, answer.body.slice(0, 300))
    if (status === 400) {
      const { code, details } = JSON.parse(answer.body) as { readonly code: unknown; readonly details: unknown }
      assert.include([3, "invalid_argument"], code)
      if (what.startsWith("REST")) assert.include(JSON.stringify(details), "fieldViolations")
    }
    if (status === 405 && what.startsWith("REST")) assert.isString(answer.headers["allow"])
    assert.isAtMost(answer.body.length, 2000, "an answer does not grow with a bad request")
    const next = await send("GET", "/api/entity/search?domain=d&type=t&limit=1")
    assert.strictEqual(next.status, 200)
    // Whoever goes on sending after the answer is not kept.
    if (!what.includes("10 MB")) assert.isTrue(next.reused, "the connection goes on")
    await assertNothingStored(gateway.url)
  })
})

describe("bytes on an HTTP/2 session", () => {
  let session: ClientHttp2Session
  beforeAll(() => {
    session = connect(gateway.url)
  })
  afterAll(() => session.destroy())

  const send = (path: string, body: Uint8Array, headers: Record<string, string> = {}): Promise<Answered> =>
    new Promise((resolve, reject) => {
      const type = { "content-type": "application/grpc", te: "trailers" }
      const stream = session.request({ ":method": "POST", ":path": path, ...type, ...headers })
      let heads: Record<string, unknown> = {}
      let text = ""
      const take = (more: Record<string, unknown>) => {
        heads = { ...heads, ...more }
      }
      stream.on("response", take).on("trailers", take).on("error", reject)
      stream.setEncoding("latin1").on("data", (chunk) => {
        text += chunk
      })
      stream.on("end", () => resolve({ status: Number(heads[":status"]), headers: heads, body: text }))
      stream.end(body)
    })

  const framed = (message: Uint8Array, flags = 0) => {
    const prefix = Buffer.alloc(5)
    prefix.writeUInt8(flags, 0)
    prefix.writeUInt32BE(message.length, 1)
    return Buffer.concat([prefix, message])
  }
  // A string field that says it is longer than the message.
  const malformed = Uint8Array.of(0x0a, 0xff, 1)
  const set = "/stategate.EntityService/Set"
  /** Values in values in values: of each level two messages, told from the inside out. */
  const nested = () => {
    const field = (tag: number, bytes: Uint8Array) => {
      const length: Array<number> = []
      for (let rest = bytes.length; ; rest >>>= 7) {
        length.push(rest > 127 ? (rest & 127) | 128 : rest)
        if (rest <= 127) break
      }
      return Buffer.concat([Uint8Array.of(tag, ...length), bytes])
    }
    let values: Uint8Array = new Uint8Array()
    const name = field(0x0a, Buffer.from("a"))
    for (let depth = 0; depth < 10_000; depth++) {
      values = field(0x0a, Buffer.concat([name, field(0x12, field(0x2a, values))]))
    }
    const names = ["d", "t", "k"].map((text, i) => field(0x0a + 8 * i, Buffer.from(text)))
    return Buffer.concat([...names, field(0x22, values)])
  }

  const cases: Readonly<
    Record<string, { readonly send: Parameters<typeof send>; readonly status?: number; readonly grpc?: string }>
  > = {
    "malformed protobuf": { send: [set, framed(malformed)], grpc: "3" },
    "malformed protobuf, to a stream": { send: ["/stategate.EventService/Stream", framed(malformed)], grpc: "3" },
    "values 10,000 levels deep": { send: [set, framed(nested())], grpc: "3" },
    "a message that is cut short": { send: [set, framed(new Uint8Array(100)).subarray(0, 50)], grpc: "3" },
    "10 MB": { send: [set, framed(Buffer.alloc(10_000_000, 1))], grpc: "8" },
    "10 MB to a stream": { send: ["/stategate.EventService/Stream", framed(Buffer.alloc(10_000_000, 1))], grpc: "8" },
    // Clients make UNIMPLEMENTED of it, as gRPC has it for what is no answer of gRPC.
    "a method that does not exist": { send: ["/stategate.EntityService/Drop", framed(new Uint8Array())], status: 404 },
    "another media type": { send: [set, framed(malformed), { "content-type": "application/x-other" }], status: 415 }
  }

  test.each(Object.entries(cases))("%s", async (what, { send: args, status = 200, grpc }) => {
    const answer = await within(send(...args), `the answer to ${what}`)
    assert.strictEqual(answer.status, status, JSON.stringify(answer))
    if (grpc !== undefined) assert.strictEqual(answer.headers["grpc-status"], grpc, JSON.stringify(answer))
    const next = await within(send("/stategate.EntityService/Get", framed(new Uint8Array())), "the next answer")
    assert.strictEqual(next.headers["grpc-status"], "3", "the session goes on")
    assert.isFalse(session.closed || session.destroyed)
    await assertNothingStored(gateway.url)
  })
})
