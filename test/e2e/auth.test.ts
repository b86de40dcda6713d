// Callers prove their identity: gateways in processes of their own, an issuer of tokens, and every protocol.

import { once } from "node:events"
import { type ClientSessionOptions, connect } from "node:http2"
import { create, toBinary } from "@bufbuild/protobuf"
import { afterAll, assert, beforeAll, describe, test } from "vitest"
import { EntitySchema } from "../../proto/gen/stategate/stategate_pb.js"
import { Issuer, nowSeconds, send, signed, signingKey } from "../support/issuer.ts"
import { type GatewayProcess, startGateway } from "../support/process.ts"
import { rawConnection } from "./clients/raw.ts"

const key = await signingKey("first")
const stranger = await signingKey("first")
let issuer: Issuer
let gateway: GatewayProcess

const on = { STATEGATE_AUTH_DISABLED: "", STATEGATE_POLICY_DISABLED: "true" }

beforeAll(async () => {
  issuer = await Issuer.start(key)
  gateway = await startGateway({
    ...on,
    STATEGATE_JWKS_URI: issuer.jwksUri,
    STATEGATE_JWT_AUDIENCE: "shop",
    STATEGATE_JWT_SCOPES: "state",
    STATEGATE_EVENT_CLAIMS: "sub,tenant"
  })
})

afterAll(async () => {
  await gateway.stop()
  await issuer.close()
})

const good = { aud: "shop", scope: "state other", tenant: "acme", email: "alice@example.com" }
const path = "/api/entity/ref/shop/order/1"
const body = '{"values": {"a": 1}}'
const bearer = (token: string) => ({ authorization: `Bearer ${token}` })

const set = (headers: Record<string, string>, { url } = gateway) =>
  fetch(url + path, { method: "POST", headers: { "content-type": "application/json", ...headers }, body })

/** The same over Connect, in JSON. */
const setByConnect = (headers: Record<string, string>) =>
  fetch(`${gateway.url}/stategate.EntityService/Set`, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: '{"domain": "shop", "type": "order", "key": "1", "values": {"a": 1}}'
  })

/** The same over gRPC: what came as headers and trailers. */
const setByGrpc = async (headers: Record<string, string>, ...more: ReadonlyArray<string>) => {
  // The types do not know the option yet. Without it this client would refuse to send what the gateway has to refuse.
  const session = connect(gateway.url, { strictSingleValueFields: false } as ClientSessionOptions)
  const fields = {
    ":method": "POST",
    ":path": "/stategate.EntityService/Set",
    ":scheme": "http",
    ":authority": new URL(gateway.url).host,
    "content-type": "application/grpc",
    te: "trailers",
    ...headers
  }
  // As a list, so that a name may come twice.
  const stream = session.request([...Object.entries(fields).flat(), ...more])
  const message = toBinary(EntitySchema, create(EntitySchema, { domain: "shop", type: "order", key: "1", values: {} }))
  const frame = Buffer.alloc(5 + message.length)
  frame.writeUInt32BE(message.length, 1)
  frame.set(message, 5)
  stream.end(frame)
  const all: Record<string, unknown> = {}
  stream.on("response", (fields) => Object.assign(all, fields))
  stream.on("trailers", (fields) => Object.assign(all, fields))
  stream.resume()
  await once(stream, "close")
  session.close()
  return all
}

test("the claims that may be kept are in the event, and no others", async () => {
  const token = bearer(await signed(key, good))
  const done = await set(token)
  assert.strictEqual(done.status, 200, await done.text())
  const found = await fetch(`${gateway.url}/api/events/search?domain=shop&type=order&limit=10`, { headers: token })
  const { events } = (await found.json()) as { readonly events: ReadonlyArray<{ readonly claims: unknown }> }
  assert.deepStrictEqual(events[0]!.claims, { sub: "alice", tenant: "acme" })
})

describe("a call is refused", () => {
  test("without a token, with the scheme that it needs", async () => {
    for (const answer of [await set({}), await setByConnect({})]) {
      assert.deepStrictEqual([answer.status, answer.headers.get("www-authenticate")], [401, "Bearer"])
    }
    assert.deepInclude(await setByGrpc({}), { "grpc-status": "16", "www-authenticate": "Bearer" })
  })

  test("with a token in its query, which is looked at nowhere", async () => {
    const token = await signed(key, good)
    for (const name of ["access_token", "token", "authorization"]) {
      const answer = await fetch(`${gateway.url}${path}?${name}=${token}`)
      assert.deepStrictEqual([answer.status, answer.headers.get("www-authenticate")], [401, "Bearer"])
    }
  })

  test("with a bad token: precisely in the log, in general to the caller", async () => {
    const token = bearer(await signed(stranger, good))
    const invalid = 'Bearer error="invalid_token"'
    for (const [protocol, call] of [
      ["rest", set],
      ["connect", setByConnect]
    ] as const) {
      const callId = `refused-${protocol}`
      const answer = await call({ ...token, "x-request-id": callId })
      assert.deepStrictEqual([answer.status, answer.headers.get("www-authenticate")], [401, invalid])
      const text = await answer.text()
      assert.include(text, "the token is not valid")
      assert.notInclude(text, "signature")
      const line = await gateway.line((entry) => entry["callId"] === callId)
      assert.strictEqual(line["reason"], 'its signature is not that of the key "first"')
      assert.deepStrictEqual([line["level"], line["code"]], ["info", "unauthenticated"])
    }
    const answer = await setByGrpc({ ...token, "x-request-id": "refused-grpc" })
    assert.deepInclude(answer, {
      "grpc-status": "16",
      "grpc-message": "the token is not valid",
      "www-authenticate": invalid
    })
    const line = await gateway.line((entry) => entry["callId"] === "refused-grpc")
    assert.strictEqual(line["reason"], 'its signature is not that of the key "first"')
    assert.notInclude(JSON.stringify(gateway.log), token.authorization.slice(7))
  })

  test("with a token that lacks a scope", async () => {
    const token = bearer(await signed(key, { ...good, scope: "other" }))
    const lacking = 'Bearer error="insufficient_scope", scope="state"'
    for (const answer of [await set(token), await setByConnect(token)]) {
      assert.deepStrictEqual([answer.status, answer.headers.get("www-authenticate")], [403, lacking])
    }
    assert.deepInclude(await setByGrpc(token), { "grpc-status": "7", "www-authenticate": lacking })
  })

  test("with two tokens, though each is good", async () => {
    const [one, two] = [await signed(key, good), await signed(key, { ...good, sub: "bob" })]
    const malformed = 'Bearer error="invalid_request"'
    const both = [`Bearer ${one}`, `Bearer ${two}`]
    assert.deepInclude(await setByGrpc({ authorization: both[0]! }, "authorization", both[1]!), {
      "grpc-status": "16",
      "www-authenticate": malformed
    })
    for (const target of [path, "/stategate.EntityService/Set"]) {
      const { socket, received } = await rawConnection(gateway.url)
      const head = [
        `POST ${target} HTTP/1.1`,
        `host: ${new URL(gateway.url).host}`,
        ...both.map((value) => `authorization: ${value}`),
        "content-type: application/json",
        `content-length: ${body.length}`,
        "connection: close"
      ]
      socket.write(`${head.join("\r\n")}\r\n\r\n${body}`)
      await once(socket, "close")
      assert.match(received(), /^HTTP\/1\.1 401 /, target)
      assert.include(received().toLowerCase(), `www-authenticate: ${malformed.toLowerCase()}`)
    }
  })

  test("but not with a scheme in lower case", async () => {
    const token = await signed(key, good)
    assert.strictEqual((await set({ authorization: `bearer ${token}` })).status, 200)
    assert.deepInclude(await setByGrpc({ authorization: `BEARER ${token}` }), { "grpc-status": "0" })
  })
})

describe("when a token expires", () => {
  /** Good for a second or two, without the leeway. */
  const brief = async () => bearer(await signed(key, { ...good, exp: nowSeconds() + 2 }))

  test("its streams end, and say so", async () => {
    const answer = await fetch(`${gateway.url}/api/events/stream?domain=*&type=*`, {
      headers: { ...(await brief()), accept: "text/event-stream" }
    })
    assert.strictEqual(answer.status, 200)
    const text = await answer.text()
    assert.match(text, /event: error\ndata: \{"code":16,"message":"the token has expired; open the stream again/)
  })

  test("even one that never has to wait, since it reads the log", async () => {
    const token = bearer(await signed(key, good))
    const commands = Array.from({ length: 1_000 }, (_, i) => ({
      set: { type: "t", key: `${i}`, values: { a: "x".repeat(500) } }
    }))
    for (let i = 0; i < 5; i++) {
      const done = await fetch(`${gateway.url}/api/entity/apply/busy`, {
        method: "POST",
        headers: { ...token, "content-type": "application/json" },
        body: JSON.stringify({ commands })
      })
      assert.strictEqual(done.status, 200, await done.text())
    }
    const expired = bearer(await signed(key, { ...good, exp: nowSeconds() - 1 }))
    const answer = await fetch(`${gateway.url}/api/events/stream?domain=busy&type=*&beginning=true`, {
      headers: expired
    })
    const lines = (await answer.text()).trim().split("\n")
    assert.lengthOf(lines, 1)
    assert.include(lines[0], "the token has expired")
  })

  test("an Apply that was begun with it is done", async () => {
    const exp = nowSeconds() + 2
    const { socket, received } = await rawConnection(gateway.url)
    const text = JSON.stringify({ commands: [{ set: { type: "t", key: "1", values: {} } }] })
    const head = [
      "POST /api/entity/apply/slow HTTP/1.1",
      `host: ${new URL(gateway.url).host}`,
      `authorization: Bearer ${await signed(key, { ...good, exp })}`,
      "content-type: application/json",
      `content-length: ${text.length}`,
      "expect: 100-continue",
      "connection: close"
    ]
    socket.write(`${head.join("\r\n")}\r\n\r\n`)
    while (!received().includes("100 Continue")) await once(socket, "data")
    socket.write(text.slice(0, 5))
    await new Promise((resolve) => setTimeout(resolve, exp * 1000 - Date.now() + 100))
    socket.write(text.slice(5))
    await once(socket, "close")
    assert.include(received(), "HTTP/1.1 200 OK")
  })
})

describe("a gateway", () => {
  const asks = (gateway: GatewayProcess, at: string) => fetch(`${gateway.url}${at}`)

  test("whose issuer is down says so, and serves once it is there", async () => {
    const late = await Issuer.start(key)
    await late.close()
    const waiting = await startGateway({ ...on, STATEGATE_JWKS_URI: late.jwksUri })
    const token = bearer(await signed(key))
    const answer = await set(token, waiting)
    assert.strictEqual(answer.status, 503)
    assert.include(await answer.text(), "tokens cannot be verified now; try again later")
    const before = await asks(waiting, "/readyz")
    assert.strictEqual(before.status, 503)
    assert.deepInclude(await before.json(), { ready: false, keys: "unavailable", store: "ok" })
    await late.listen()
    await waiting.line((entry) => String(entry["msg"]).includes("can be read again"))
    assert.strictEqual((await set(token, waiting)).status, 200)
    assert.deepInclude(await (await asks(waiting, "/readyz")).json(), { ready: true, keys: "ok" })
    const metrics = await (await fetch(`${waiting.ops}/metrics`)).text()
    assert.match(metrics, /^stategate_auth_keys 1$/m)
    assert.match(metrics, /^stategate_auth_key_read_failures_total [1-9]/m)
    await waiting.stop()
    await late.close()
  })

  test("without a policy denies every call, and says so at start", async () => {
    const closed = await startGateway({ STATEGATE_AUTH_DISABLED: "", STATEGATE_JWKS_URI: issuer.jwksUri })
    await closed.line((entry) => String(entry["msg"]).includes("there is no policy, so every call is denied"))
    assert.strictEqual((await set(bearer(await signed(key)), closed)).status, 403)
    assert.strictEqual((await set({}, closed)).status, 401)
    await closed.stop()
  })

  test("may let callers come without a token, and still refuses a bad one", async () => {
    const optional = await startGateway({ ...on, STATEGATE_JWKS_URI: issuer.jwksUri, STATEGATE_AUTH_OPTIONAL: "true" })
    assert.strictEqual((await set({}, optional)).status, 200)
    assert.strictEqual((await set(bearer(await signed(stranger)), optional)).status, 401)
    assert.strictEqual((await set({ authorization: "Basic YTpi" }, optional)).status, 401)
    const found = await fetch(`${optional.url}/api/events/search?domain=shop&type=order&limit=10`)
    const { events } = (await found.json()) as { readonly events: ReadonlyArray<{ readonly claims?: unknown }> }
    assert.deepStrictEqual(
      events.map(({ claims = {} }) => claims),
      [{}]
    )
    await optional.stop()
  })

  test("stops while its issuer answers nothing", async () => {
    const silent = await Issuer.start(key)
    const served = await startGateway({ ...on, STATEGATE_JWKS_URI: silent.jwksUri })
    silent.answer = (request, response) => void request.once("close", () => send(response, {}))
    const asked = set(bearer(await signed(key, {}, { kid: "unknown" })), served).catch(() => undefined)
    await silent.askedTimes(2)
    const { code } = await served.stop()
    assert.strictEqual(code, 0)
    await asked
    await silent.close()
  })
})
