import { Effect, ManagedRuntime } from "effect"
import { afterAll, describe, expect, it } from "vitest"
import { layer } from "../../adapters/policy/rego/policy.ts"
import { Policy, type PolicyInput } from "../../application/ports/Policy.ts"
import { combineTelemetry, type DecisionRecord, Telemetry } from "../../application/telemetry.ts"
import { contract } from "../contract/Policy.ts"
import { rego, regoSettings } from "../support/rego.ts"

const byRole = `package stategate.authz
import rego.v1

default allow := false

allow if "admin" in input.claims.roles
allow if {
  input.method == "/stategate.EntityService/Get"
  input.body.domain == input.claims.sub
}
`

contract("rego", rego({ request: byRole, response: byRole }))

const input = (more: Partial<PolicyInput> = {}): PolicyInput => ({
  claims: { sub: "acme" },
  method: "/stategate.EntityService/Get",
  metadata: () => ({}),
  body: () => ({ domain: "acme", type: "order", key: "1" }),
  clientStream: false,
  serverStream: false,
  ...more
})

/** What a policy decides on each of the inputs, and what is observed of it. */
const decide = async (settings: Parameters<typeof rego>, ...inputs: ReadonlyArray<PolicyInput>) => {
  const records: Array<DecisionRecord> = []
  const observed = Effect.provideService(
    Effect.provide(
      Policy.use((policy) => Effect.forEach(inputs, policy.allowsRequest)),
      rego(...settings)
    ),
    Telemetry,
    combineTelemetry({ recordDecision: (record) => void records.push(record) })
  )
  return { allowed: await Effect.runPromise(observed), records }
}

it("allows what the rule makes true, and nothing else", async () => {
  const { allowed } = await decide(
    [{ request: byRole }],
    input(),
    input({ claims: { sub: "other" } }),
    input({ claims: { roles: ["admin"] }, method: "/stategate.EntityService/Set" }),
    input({ claims: {} })
  )
  expect(allowed).toEqual([true, false, true, false])
})

describe("where the rule is undefined, or another value than true", () => {
  const rules = [
    ["allow if false", "deny"],
    ['allow := "true"', "deny"],
    ["allow := 1", "deny"],
    ["allow := [true]", "deny"],
    ["allow if true", "allow"]
  ] as const
  for (const [rule, outcome] of rules) {
    it(`decides: ${rule}, ${outcome}`, async () => {
      const request = `package stategate.authz\nimport rego.v1\n${rule}`
      const { allowed, records } = await decide([{ request }], input())
      expect([allowed, records[0]?.outcome]).toEqual([[outcome === "allow"], outcome])
    })
  }
})

it("shows the policy the whole input, and none of the credentials", async () => {
  const request = `package stategate.authz
import rego.v1
allow if {
  object.keys(input) == {"claims", "method", "metadata", "body", "client_stream", "server_stream", "tls", "peer"}
  input.metadata == {"user-agent": "a", "__proto__": "b"}
  input.tls.subject == "CN=till"
  input.peer.address == "192.0.2.7"
  input.server_stream
  not input.client_stream
}`
  const metadata = Object.fromEntries([
    ["user-agent", "a"],
    ["__proto__", "b"],
    ["authorization", "Bearer secret"],
    ["Cookie", "secret"],
    ["proxy-authorization", "secret"]
  ])
  const whole = { metadata: () => metadata, tls: { subject: "CN=till" }, peer: { address: "192.0.2.7" } }
  const { allowed } = await decide([{ request }], input({ ...whole, serverStream: true }), input(whole))
  expect(allowed).toEqual([true, false])
})

it("gives the policy its data", async () => {
  const request = `package stategate.authz
import rego.v1
allow if input.claims.sub in data.tenants`
  const { allowed } = await decide(
    [{ request, data: '{"tenants": ["acme"]}' }],
    input(),
    input({ claims: { sub: "x" } })
  )
  expect(allowed).toEqual([true, false])
})

describe("a policy that does too much", () => {
  const costly = `package stategate.authz
import rego.v1
default allow := false
allow if input.body.fast
allow if {
  some a, b, c, d, e
  input.body.list[a] + input.body.list[b] + input.body.list[c] + input.body.list[d] + input.body.list[e] == 1
}`
  const slow = input({ body: () => ({ list: Array(1000).fill(0) }) })
  const fast = input({ body: () => ({ fast: true }) })

  it("is stopped at its budget, denies, and decides as before afterwards", async () => {
    const { allowed, records } = await decide([{ request: costly }, { budgetMs: 20 }], fast, slow, fast, slow, fast)
    expect(allowed).toEqual([true, false, true, false, true])
    expect(records.map(({ outcome }) => outcome)).toEqual(["allow", "error", "allow", "error", "allow"])
    expect(records[1]?.reason).toBe("the policy took longer than 20 ms")
  })

  it("does not get more memory than its bound", async () => {
    const request = `package stategate.authz
import rego.v1
default allow := false
allow if input.body.fast
allow if {
  not input.body.fast
  count(numbers.range(1, 20000000)) > 0
}`
    const { allowed, records } = await decide([{ request }, { budgetMs: 60_000 }], slow, fast)
    expect(allowed).toEqual([false, true])
    expect(records[0]?.reason).toBe("the policy was aborted: opa_malloc: failed")
  })
})

it("fails closed on input that is nested too deeply to be read", async () => {
  const nested = (depth: number) =>
    input({ claims: { roles: ["admin"], nested: JSON.parse("[".repeat(depth) + "]".repeat(depth)) } })
  const { allowed, records } = await decide(
    [{ request: byRole }],
    nested(1_000),
    nested(200_000),
    nested(4_000),
    input()
  )
  expect(records.map(({ outcome }) => outcome)).toContain("error")
  for (const [i, { outcome }] of records.entries()) expect(allowed[i]).toBe(outcome === "allow")
  expect([allowed[1], allowed[3]]).toEqual([false, true])
})

describe("without a policy", () => {
  const runtime = ManagedRuntime.make(layer(regoSettings({})))
  afterAll(() => runtime.dispose())

  it("denies every request and sends every response", async () => {
    const both = Policy.use((policy) => Effect.all([policy.allowsRequest(input()), policy.allowsResponse(input())]))
    expect(await runtime.runPromise(both)).toEqual([false, true])
  })
})

describe("a policy that cannot be used", () => {
  const refusal = (settings: Parameters<typeof regoSettings>) =>
    Effect.runPromise(Effect.flip(Effect.provide(Effect.service(Policy), layer(regoSettings(...settings))))).then(
      ({ message }) => message
    )
  const name = "STATEGATE_REQUEST_POLICY"
  const refused: ReadonlyArray<readonly [what: string, source: string, message: string]> = [
    ["is not Rego", "hello", `${name}:1:1: package expected (Rego v1)`],
    [
      "has no such rule",
      "package other",
      `${name}: has no rule data.stategate.authz.allow; it needs \`package stategate.authz\` and a rule \`allow\` (Rego v1)`
    ],
    [
      "calls what does not exist, in v0",
      "package stategate.authz\n\nallow { nope(1) }",
      `${name}:3:9: undefined function nope (Rego v0)`
    ],
    [
      "wants the network",
      'package stategate.authz\nimport rego.v1\nallow if http.send({"method": "get", "url": "http://localhost"}).status_code == 200',
      `${name}:3:10: http.send is not available here: a decision must not wait for the network; put what it needs into ` +
        "the claims or the policy's data"
    ]
  ]
  for (const [what, request, message] of refused) {
    it(`is refused with its place: ${what}`, async () => expect(await refusal([{ request }])).toBe(message))
  }

  it("is refused when its data is no object", async () => {
    expect(await refusal([{ request: byRole, data: "[]" }])).toBe("STATEGATE_POLICY_DATA: must be a JSON object")
  })

  it("is refused as v1 when that was asked for, though it is v0", async () => {
    const request = "package stategate.authz\nallow { true }"
    expect(await refusal([{ request }, { version: "v1" }])).toContain(`${name}:2:1: `)
  })
})
