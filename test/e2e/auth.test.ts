// Who calls is proven: a gateway in a process of its own, and an issuer of tokens.

import { afterAll, assert, beforeAll, test } from "vitest"
import { Issuer, type SigningKey, signed, signingKey } from "../support/issuer.ts"
import { type GatewayProcess, startGateway } from "../support/process.ts"

let key: SigningKey
let issuer: Issuer
let gateway: GatewayProcess

beforeAll(async () => {
  key = await signingKey("first")
  issuer = await Issuer.start(key)
  gateway = await startGateway({
    STATEGATE_AUTH_DISABLED: "",
    STATEGATE_JWKS_URI: issuer.jwksUri,
    STATEGATE_JWT_AUDIENCE: "shop",
    STATEGATE_JWT_SCOPES: "state",
    STATEGATE_EVENT_CLAIMS: "sub,tenant",
    STATEGATE_POLICY_DISABLED: "true"
  })
})

afterAll(async () => {
  await gateway.stop()
  await issuer.close()
})

const good = { aud: "shop", scope: "state other", tenant: "acme", email: "alice@example.com" }
const path = "/api/entity/ref/shop/order/1"

const set = (headers: Record<string, string>) =>
  fetch(gateway.url + path, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: '{"values": {"a": 1}}'
  })
const bearer = (token: string) => ({ authorization: `Bearer ${token}` })

test("the claims that may be kept are in the event, and no others", async () => {
  const token = bearer(await signed(key, good))
  const done = await set(token)
  assert.strictEqual(done.status, 200, await done.text())
  const found = await fetch(`${gateway.url}/api/events/search?domain=shop&type=order&limit=10`, { headers: token })
  const { events } = (await found.json()) as { readonly events: ReadonlyArray<{ readonly claims: unknown }> }
  assert.deepStrictEqual(
    events.map(({ claims }) => claims),
    [{ sub: "alice", tenant: "acme" }]
  )
})
