import { connect } from "node:http2"
import { createConnectTransport, createGrpcTransport, createGrpcWebTransport } from "@connectrpc/connect-node"
import { afterEach, assert, beforeEach, test } from "vitest"
import { type GatewayProcess, startGateway } from "../support/process.ts"
import { refusal, type StateClient, take } from "./clients/client.ts"
import { connectClient } from "./clients/connect.ts"
import { grpcJsClient } from "./clients/grpc-js.ts"
import { restClient } from "./clients/rest.ts"

// The log of a gateway: one line a call, and nothing of what was in it. The call's id leads from one to the other.

let gateway: GatewayProcess
beforeEach(async () => {
  gateway = await startGateway()
})
afterEach(() => gateway?.stop())

const faces: Readonly<Record<string, (baseUrl: string) => StateClient>> = {
  grpc: (url) => grpcJsClient(url),
  "grpc-web": (baseUrl) => connectClient(createGrpcWebTransport({ baseUrl, httpVersion: "1.1" })),
  connect: (baseUrl) => connectClient(createConnectTransport({ baseUrl, httpVersion: "1.1" })),
  rest: (url) => restClient(url)
}
const streaming: Readonly<Record<string, (baseUrl: string) => StateClient>> = {
  grpc: (baseUrl) => connectClient(createGrpcTransport({ baseUrl })),
  sse: (url) => restClient(url, { accept: "text/event-stream" }),
  ndjson: (url) => restClient(url)
}

// In whatever is a caller's own business, and in nothing that may be logged.
const marker = "m4rk3r"

test("has one line a call, with what is needed to find it and never a value", async () => {
  for (const [face, open] of Object.entries(faces)) {
    const client = open(gateway.url)
    const lamp = { domain: "d", type: "user", key: `${face}-${marker}` }
    const values = { secret: marker, [`${marker}-key`]: 1 }
    const ids = (name: string) => ({
      "x-request-id": `${face}:${name}`,
      authorization: `Bearer ${marker}`,
      cookie: marker,
      "x-other": marker
    })
    await client.call(
      "EntityService/Set",
      { ...lamp, values },
      { ...ids("set"), "idempotency-key": `${face}-${marker}` }
    )
    await client.call("EntityService/Edit", { ...lamp, values }, ids("edit"))
    await client.call(
      "EntityService/Search",
      { domain: "d", type: "user", limit: 1, queryString: `{"${marker}":"${marker}"}` },
      ids("search")
    )
    await refusal(
      client.call(
        "EntityService/Search",
        { domain: "d", type: "user", limit: 1, queryString: `{"$${marker}":1}` },
        ids("bad-filter")
      )
    )
    await refusal(client.call("EntityService/Set", { ...lamp, values, version: "9" }, ids("stale")))
    await refusal(client.call("EntityService/Get", { ...lamp, key: marker }, ids("absent")))
    client.close()
  }
  const rest = (path: string, init: RequestInit) =>
    fetch(gateway.url + path, { ...init, signal: AbortSignal.timeout(20_000) })
  const json = { "content-type": "application/json" }
  await rest(`/api/entity/ref/d/user/${marker}`, { method: "POST", headers: json, body: `{"${marker}` })
  await rest(`/api/entity/ref/d/user/${marker}`, { method: "POST", headers: json, body: `{"${marker}":1}` })
  await rest(`/api/entity/search?domain=d&type=user&limit=1&${marker}=${marker}`, {})
  await rest(`/${marker}?${marker}`, { headers: { accept: marker } })
  await rest("/stategate.EntityService/Set", { method: "POST", headers: json, body: `{"values":{"${marker}` })
  await rest("/stategate.EntityService/Set", { method: "POST", headers: json, body: `{"${marker}":"${marker}"}` })

  await gateway.stop()
  await gateway.logged
  const calls = gateway.log.filter(({ method }) => method !== undefined)
  for (const face of Object.keys(faces)) {
    const lines = calls.filter(({ callId }) => String(callId).startsWith(`${face}:`))
    assert.deepStrictEqual(
      lines.map(({ callId, method, code }) => [callId, method, code]),
      [
        [`${face}:set`, "/stategate.EntityService/Set", "ok"],
        [`${face}:edit`, "/stategate.EntityService/Edit", "ok"],
        [`${face}:search`, "/stategate.EntityService/Search", "ok"],
        [`${face}:bad-filter`, "/stategate.EntityService/Search", "invalid_argument"],
        [`${face}:stale`, "/stategate.EntityService/Set", "aborted"],
        [`${face}:absent`, "/stategate.EntityService/Get", "not_found"]
      ]
    )
    for (const line of lines) {
      assert.deepInclude(line, { protocol: face, domain: "d", type: "user" })
      assert.isNumber(line["durationMs"])
      assert.match(String(line["time"]), /^\d{4}-\d\d-\d\dT/)
    }
  }
  assert.lengthOf(calls, Object.keys(faces).length * 6 + 6, "every call has one line")
  assert.notInclude(JSON.stringify(gateway.log) + gateway.stderr(), marker)
})

test("says of a call that reached no method which protocol it spoke, and what it was told", async () => {
  const path = "/stategate.EntityService/Set"
  const sent = async (id: string, type: string, body: Uint8Array<ArrayBuffer> | string, method = "POST") => {
    const headers = { "content-type": type, "x-request-id": id }
    await fetch(gateway.url + path, { method, headers, body }).then((answer) => answer.arrayBuffer())
    const { protocol, code } = await gateway.line(({ callId }) => callId === id)
    return [protocol, code]
  }
  const nonsense = new Uint8Array([0, 0, 0, 0, 2, 255, 255])
  const told = [
    await sent("json", "application/json", "{"),
    await sent("large", "application/json", `{"key":"${"x".repeat(5_000_000)}"}`),
    await sent("kind", "text/plain", "x"),
    await sent("verb", "application/json", "{}", "PUT"),
    await sent("web", "application/grpc-web+proto", nonsense)
  ]
  assert.deepStrictEqual(told, [
    ["connect", "invalid_argument"],
    ["connect", "resource_exhausted"],
    ["connect", "invalid_argument"],
    ["connect", "unimplemented"],
    ["grpc-web", "invalid_argument"]
  ])
})

test("a stream that its deadline ends is told of as such", async () => {
  const { port } = new URL(gateway.url)
  const session = connect(`http://127.0.0.1:${port}`)
  const stream = session.request({
    ":method": "POST",
    ":path": "/stategate.EventService/Stream",
    "content-type": "application/grpc",
    te: "trailers",
    "grpc-timeout": "100m",
    "x-request-id": "late"
  })
  stream.resume().end(Buffer.from([0, 0, 0, 0, 6, 10, 1, 100, 18, 1, 42]))
  const { code, method } = await gateway.line(({ callId }) => callId === "late")
  session.destroy()
  assert.deepStrictEqual([method, code], ["/stategate.EventService/Stream", "deadline_exceeded"])
})

test("has one line a stream, with how many events it sent, when it ends", async () => {
  const writer = restClient(gateway.url)
  const streams = await Promise.all(
    Object.entries(streaming).map(([face, open]) =>
      open(gateway.url).stream({ domain: "d", type: "user" }, { "x-request-id": `stream-${face}` })
    )
  )
  for (let n = 0; n < 3; n++) {
    await writer.call("EntityService/Set", { domain: "d", type: "user", key: "k", values: { n, marker } })
  }
  for (const stream of streams) await take(stream, 3)
  for (const stream of streams) stream.close()
  for (const face of Object.keys(streaming)) {
    const line = await gateway.line(({ callId }) => callId === `stream-${face}`)
    const { method, code, sent, protocol } = line
    const expected = { method: "/stategate.EventService/Stream", code: "canceled", sent: 3, protocol: face }
    assert.deepStrictEqual({ method, code, sent, protocol }, expected)
  }
  assert.notInclude(JSON.stringify(gateway.log), marker)
})

test("an x-request-id that is fit for logs is kept by every face, and any other is replaced", async () => {
  const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/
  for (const [face, open] of Object.entries({ ...faces, ...streaming })) {
    const client = open(gateway.url)
    const answered = async (id: string) => {
      const headers = { "x-request-id": id }
      const search = { domain: "d", type: "t", limit: 1 }
      const stream = await client.stream({ domain: "d", type: "t" }, headers)
      stream.close()
      const good = await client.call("EntityService/Search", search, headers)
      const bad = await refusal(client.call("EntityService/Search", { ...search, limit: 0 }, headers))
      return [stream, good, bad].map((answer) => answer.headers["x-request-id"] ?? "")
    }
    for (const id of ["a", "Root=1-67891233-abcdef012345678912345678", "x".repeat(128)]) {
      assert.deepStrictEqual(await answered(id), [id, id, id], face)
    }
    for (const id of ["two words", 'quote"', "<script>", "x".repeat(129), "a;b"]) {
      for (const given of await answered(id)) assert.match(given, uuid, `${face} replaces ${id}`)
    }
    client.close()
  }
  const nowhere = await fetch(`${gateway.url}/nowhere`, { headers: { "x-request-id": "lost" } })
  assert.strictEqual(nowhere.headers.get("x-request-id"), "lost")
})
