// What callers may do is written in Rego: a gateway in a process of its own, an issuer of tokens, and policies in files.

import { rename, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { afterAll, assert, beforeAll, test } from "vitest"
import { Issuer, type SigningKey, signed, signingKey } from "../support/issuer.ts"
import { type GatewayProcess, reasonsOf, refusedStart, startGateway, temporaryFolder } from "../support/process.ts"
import { compiledPolicies } from "../support/rego.ts"

const tenants = `package stategate.authz

default allow = false

allow {
  input.body.domain == input.claims.tenant
}
`
const nobody = `package stategate.authz\nimport rego.v1\ndefault allow := false\n`

let key: SigningKey
let issuer: Issuer
let gateway: GatewayProcess
const folder = temporaryFolder()
const policyFile = join(folder.path, "policy.rego")

/** Puts a policy in place as Kubernetes does: under another name, then by a rename. */
const publish = async (policy: string) => {
  await writeFile(`${policyFile}.new`, policy)
  await rename(`${policyFile}.new`, policyFile)
}

beforeAll(async () => {
  key = await signingKey("first")
  issuer = await Issuer.start(key)
  await publish(tenants)
  gateway = await startGateway({
    STATEGATE_AUTH_DISABLED: "",
    STATEGATE_JWKS_URI: issuer.jwksUri,
    STATEGATE_REQUEST_POLICY_FILE: policyFile,
    STATEGATE_POLICY_CACHE: compiledPolicies
  })
})

afterAll(async () => {
  await gateway?.stop()
  await issuer?.close()
  folder.remove()
})

const set = async (tenant: string, domain: string) => {
  const token = await signed(key, { sub: "alice", iss: "https://id.example.com", tenant })
  const answer = await fetch(`${gateway.url}/api/entity/ref/${domain}/order/1`, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: `Bearer ${token}` },
    body: '{"values": {"card": "4111-1111"}}'
  })
  return answer.status
}

test("a tenant gets into its own domain and no other, and the denial is logged without values", async () => {
  assert.strictEqual(await set("acme", "acme"), 200)
  assert.strictEqual(await set("acme", "other"), 403)
  const { time, durationMs, ...denial } = await gateway.line((entry) => entry["decision"] === "deny")
  assert.deepStrictEqual([typeof time, typeof durationMs], ["string", "number"])
  assert.deepStrictEqual(denial, {
    level: "info",
    decision: "deny",
    policy: "request",
    rule: "data.stategate.authz.allow",
    method: "/stategate.EntityService/Set",
    sub: "alice",
    iss: "https://id.example.com",
    domain: "other",
    type: "order",
    key: "1",
    msg: "decision"
  })
  assert.isFalse(gateway.log.some((entry) => entry["decision"] === "allow"))
  assert.notInclude(JSON.stringify(gateway.log), "4111")
  const metrics = await (await fetch(`${gateway.ops}/metrics`)).text()
  assert.include(metrics, 'stategate_policy_decisions_total{policy="request",outcome="deny"} 1')
})

test("a policy that changes decides from then on, and a broken one leaves the one before it", async () => {
  const until = async (status: number) => {
    while ((await set("acme", "acme")) !== status) await new Promise((resolve) => setTimeout(resolve, 50))
  }
  await publish(nobody)
  await until(403)
  await publish("package stategate.authz\nallow {")
  const { level } = await gateway.line(({ msg }) => String(msg).includes("the one before it stays"))
  assert.strictEqual(level, "error")
  assert.strictEqual(await set("acme", "acme"), 403)
  await publish(tenants)
  await until(200)
})

test("a policy that does not compile stops the start, and says where", async () => {
  const ended = await refusedStart({
    STATEGATE_REQUEST_POLICY: Buffer.from("package stategate.authz\n\nallow { nope(1) }\n").toString("base64"),
    STATEGATE_POLICY_CACHE: compiledPolicies
  })
  assert.strictEqual(ended.code, 1)
  assert.deepStrictEqual(reasonsOf(ended), ["STATEGATE_REQUEST_POLICY:3:9: undefined function nope (Rego v0)"])
})
