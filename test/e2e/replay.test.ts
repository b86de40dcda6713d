// Others are served while somebody replays a long log. Only the order of things is looked at, and no time.

import { get, request } from "node:http"
import { type ClientHttp2Session, connect } from "node:http2"
import { create, toBinary, toJsonString } from "@bufbuild/protobuf"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { StreamOptsSchema } from "../../proto/gen/stategate/stategate_pb.js"
import { type GatewayProcess, startGateway } from "../support/process.ts"

const events = 60_000
const marker = "key-of-the-last-event"

let gateway: GatewayProcess
const open: Array<() => void> = []

const apply = async (keys: ReadonlyArray<string>) => {
  const values = { text: "x".repeat(100) }
  const answer = await fetch(`${gateway.url}/api/entity/apply/shop`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ commands: keys.map((key) => ({ set: { type: "order", key, values } })) })
  })
  expect(answer.status).toBe(200)
  await answer.arrayBuffer()
}

beforeAll(async () => {
  gateway = await startGateway()
  const keys = Array.from({ length: 1000 }, (_, i) => `k${i}`)
  for (let i = 1; i < events / 1000; i++) await apply(keys)
  await apply([...keys.slice(1), marker])
}, 60_000)

afterAll(async () => {
  for (const close of open) close()
  await gateway.stop()
})

const message = create(StreamOptsSchema, { domain: "shop", type: "*", start: { case: "beginning", value: true } })

/** A message in the frame that gRPC, gRPC-web and streams of Connect share. */
const framed = (body: Uint8Array) => {
  const frame = Buffer.alloc(5 + body.length)
  frame.writeUInt32BE(body.length, 1)
  frame.set(body, 5)
  return frame
}

type OnBytes = (bytes: Buffer) => void

const overHttp1 = (path: string, headers: Record<string, string>, body?: Buffer) => (onBytes: OnBytes) => {
  const call = request(`${gateway.url}${path}`, { method: body === undefined ? "GET" : "POST", headers })
  call.on("response", (response) => response.on("data", onBytes).on("error", () => {}))
  call.on("error", () => {}).end(body)
  open.push(() => call.destroy())
}

const grpc = (onBytes: OnBytes) => {
  // Windows so large that the client never makes the gateway wait.
  const bytes = 256 * 1024 * 1024
  const session: ClientHttp2Session = connect(gateway.url, { settings: { initialWindowSize: bytes } })
  session.on("error", () => {}).once("connect", () => session.setLocalWindowSize(bytes))
  const stream = session.request({
    ":method": "POST",
    ":path": "/stategate.EventService/Stream",
    "content-type": "application/grpc",
    te: "trailers"
  })
  stream.on("data", onBytes).on("error", () => {})
  stream.end(framed(toBinary(StreamOptsSchema, message)))
  open.push(() => session.destroy())
}

const path = "/api/events/stream?domain=shop&type=*&beginning=true"
const rpc = "/stategate.EventService/Stream"
const protocols = {
  gRPC: grpc,
  "lines of JSON": overHttp1(path, {}),
  "server-sent events": overHttp1(path, { accept: "text/event-stream" }),
  "gRPC-web": overHttp1(
    rpc,
    { "content-type": "application/grpc-web+proto" },
    framed(toBinary(StreamOptsSchema, message))
  ),
  Connect: overHttp1(
    rpc,
    { "content-type": "application/connect+json" },
    framed(Buffer.from(toJsonString(StreamOptsSchema, message)))
  )
}

/** Asks on a new connection. */
const livez = (base: string) =>
  new Promise<number | undefined>((resolve, reject) => {
    get(`${base}/livez`, { agent: false }, (response) => {
      response.resume().on("end", () => resolve(response.statusCode))
    }).on("error", reject)
  })

describe("a replay does not keep others waiting", () => {
  it.each(Object.entries(protocols))("over %s", async (_, replay) => {
    let isComplete = false
    let rest = Buffer.alloc(0)
    const begun = new Promise<void>((resolve) => {
      replay((bytes) => {
        const text = Buffer.concat([rest, bytes])
        isComplete ||= text.includes(marker)
        rest = text.subarray(-marker.length)
        resolve()
      })
    })
    await begun
    const answers = await Promise.all([livez(gateway.url), livez(gateway.ops)])
    expect([answers, isComplete]).toEqual([[200, 200], false])
    for (const close of open.splice(0)) close()
  })
})
