import { readFileSync } from "node:fs"
import { connect } from "node:http2"
import { brotliCompressSync, constants, gzipSync } from "node:zlib"
import { afterAll, assert, beforeAll, describe, test } from "vitest"
import { type GatewayProcess, startGateway } from "../support/process.ts"

// A few bytes that become millions of objects. Each is refused before they are made, in every form in which it can come.

let gateway: GatewayProcess
beforeAll(async () => {
  gateway = await startGateway()
})
afterAll(() => gateway?.stop())

const megabytes = (pid: number) => Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))![1]) / 1024

const bytes = 4_000_000
const ref = Buffer.from("0a01641201741a016b", "hex")

/** Bodies as they are before anything compresses them. */
const shapes: Readonly<Record<string, readonly [method: string, body: Buffer]>> = {
  "unknown fields": ["Set", Buffer.alloc(bytes, Buffer.from("7a00", "hex"))],
  "an entity with unknown fields": [
    "Set",
    Buffer.concat([ref, Buffer.from("2200", "hex"), Buffer.alloc(bytes, Buffer.from("7a00", "hex"))])
  ],
  "empty commands": ["Apply", Buffer.alloc(bytes, Buffer.from("1200", "hex"))],
  "entries without a key": [
    "Set",
    Buffer.concat([ref, varintPart(4, Buffer.alloc(bytes, Buffer.from("0a0412020800", "hex")))])
  ],
  "a list in JSON": [
    "Set",
    Buffer.from(`{"domain":"d","type":"t","key":"k","values":{"a":[${"0,".repeat(bytes / 2)}0]}}`)
  ],
  "objects in JSON": ["Apply", Buffer.from(`{"domain":"d","commands":[${"{},".repeat(bytes / 3)}{}]}`)]
}

function varintPart(number: number, body: Buffer): Buffer {
  const head = [(number << 3) | 2]
  for (let rest = body.length; ; rest >>>= 7) {
    if (rest < 0x80) return Buffer.concat([Buffer.from([...head, rest]), body])
    head.push((rest & 0x7f) | 0x80)
  }
}

const framed = (message: Buffer, flags: number) => {
  const head = Buffer.from([flags, 0, 0, 0, 0])
  head.writeUInt32BE(message.length, 1)
  return Buffer.concat([head, message])
}

const brotli = (body: Buffer) => brotliCompressSync(body, { params: { [constants.BROTLI_PARAM_QUALITY]: 5 } })

/** How each protocol carries a body, and whether it can be compressed there. */
const forms: Readonly<Record<string, (body: Buffer, kind: string) => readonly [Record<string, string>, Buffer]>> = {
  gRPC: (body, kind) => [{ "content-type": `application/grpc+${kind}` }, framed(body, 0)],
  "gRPC with gzip": (body, kind) => [
    { "content-type": `application/grpc+${kind}`, "grpc-encoding": "gzip" },
    framed(gzipSync(body), 1)
  ],
  "gRPC-web with brotli": (body, kind) => [
    { "content-type": `application/grpc-web+${kind}`, "grpc-encoding": "br" },
    framed(brotli(body), 1)
  ],
  "gRPC-web as text": (body, kind) => [
    { "content-type": `application/grpc-web-text+${kind}` },
    Buffer.from(framed(body, 0).toString("base64"))
  ],
  Connect: (body, kind) => [{ "content-type": `application/${kind}` }, body],
  "Connect with brotli": (body, kind) => [
    { "content-type": `application/${kind}`, "content-encoding": "br" },
    brotli(body)
  ]
}

const send = (path: string, headers: Record<string, string>, body: Buffer) =>
  new Promise<string>((resolve, reject) => {
    const session = connect(gateway.url)
    session.on("error", reject)
    const stream = session.request({ ":method": "POST", ":path": path, ...headers })
    const told: Array<unknown> = []
    let text = ""
    stream.on("response", (head) => void told.push(head["grpc-status"] ?? head[":status"]))
    stream.on("trailers", (trailers) => void told.push(trailers["grpc-status"]))
    stream.on("data", (chunk) => {
      text += chunk
    })
    stream.on("error", () => {})
    stream.on("close", () => {
      session.destroy()
      resolve(`${told.join(" ")} ${text}`)
    })
    stream.end(body)
  })

describe("a body that would become millions of objects is refused, and none of them is made", () => {
  for (const [form, carry] of Object.entries(forms)) {
    for (const [shape, [method, body]] of Object.entries(shapes)) {
      const kind = shape.endsWith("JSON") ? "json" : "proto"
      test(`${form}: ${shape}`, async () => {
        const before = megabytes(gateway.pid)
        for (let i = 0; i < 3; i++) {
          const answer = await send(`/stategate.EntityService/${method}`, ...carry(body, kind))
          const said = form.endsWith("as text") ? decoded(answer) : answer
          assert.match(said, /^(?:200 )?(?:3|8|400|429)\b|grpc-status: [38]\b/, said.slice(0, 300))
        }
        // Two million objects take 300 MB or more; the body is held a few times over while it is looked through.
        assert.isBelow(megabytes(gateway.pid) - before, 150)
      })
    }
  }

  test("REST", async () => {
    const before = megabytes(gateway.pid)
    const body = `{"values":{"a":[${"[],".repeat(1_300_000)}0]}}`
    const headers = { "content-type": "application/json" }
    for (let i = 0; i < 3; i++) {
      const answer = await fetch(`${gateway.url}/api/entity/ref/d/t/k`, { method: "POST", headers, body })
      assert.include(await answer.text(), "must not hold more than 131072 keys and values")
    }
    assert.isBelow(megabytes(gateway.pid) - before, 150)
  })
})

const decoded = (answer: string) =>
  (answer.match(/[A-Za-z0-9+/]{8,}={0,2}/g) ?? []).map((part) => Buffer.from(part, "base64").toString()).join("")

test("a message that repeats itself is no bomb", async () => {
  const rows = Array.from({ length: 300 }, (_, i) => ({
    set: { type: "row", key: `${i}`, values: { status: "open", total: 12, items: ["a", "b"] } }
  }))
  const body = Buffer.from(JSON.stringify({ domain: "rows", commands: rows }))
  const headers = { "content-type": "application/json", "content-encoding": "br" }
  assert.match(await send("/stategate.EntityService/Apply", headers, brotli(body)), /^200 /)
})

test("nothing of it was stored", async () => {
  const found = await fetch(`${gateway.url}/api/events/search?domain=d&type=t&limit=1`)
  assert.deepStrictEqual(await found.json(), { events: [] })
})
