// Policies in Rego in a whole gateway: who may do what, and who is shown what.

import { Effect, Layer } from "effect"
import { afterAll, describe, expect, it } from "vitest"
import { restApp } from "../../../adapters/transport/rest/app.ts"
import { Authenticator } from "../../../application/ports/Authenticator.ts"
import { type Gateway, startGateway } from "../../support/gateway.ts"
import { rego } from "../../support/rego.ts"

/** Believes every token: it is the claims themselves, in Base64. */
const authenticator = Layer.succeed(
  Authenticator,
  Authenticator.of({
    authenticate: (authorization = "") => Effect.succeed({ claims: JSON.parse(atob(authorization.slice(7)) || "{}") }),
    keys: Effect.succeed(undefined)
  })
)

const as = (claims: object) => ({ authorization: `Bearer ${btoa(JSON.stringify(claims))}` })
const acme = as({ sub: "anna", tenant: "acme" })
const other = as({ sub: "otto", tenant: "other" })

const tenants = `package stategate.authz
import rego.v1

default allow := false

allow if input.body.domain == input.claims.tenant
`

const rows = `package stategate.authz
import rego.v1

default allow := false

# An entity, an event, or an answer without either.
entity := object.get(input.body, "entity", input.body)

allow if not entity.values.secret
allow if input.claims.role == "auditor"
`

const gateways: Array<Gateway> = []
const start = async (policies: Parameters<typeof rego>[0]) => {
  const gateway = await startGateway({ authenticator, policy: rego(policies) })
  gateways.push(gateway)
  const app = restApp(gateway.gate)
  const send = async (method: string, path: string, headers: Record<string, string>, body?: object) =>
    app.request(`/api${path}`, {
      method,
      headers: { "content-type": "application/json", ...headers },
      ...(body === undefined ? {} : { body: JSON.stringify(body) })
    })
  return { gateway, app, send }
}
afterAll(() => Promise.all(gateways.map(({ close }) => close())))

describe("a request policy", () => {
  it("lets a tenant into its own domain and no other", async () => {
    const { gateway, send } = await start({ request: tenants })
    const set = (domain: string, who: Record<string, string>) =>
      send("POST", `/entity/ref/${domain}/order/1`, who, { values: { total: 1 } }).then(({ status }) => status)
    expect(await set("acme", acme)).toBe(200)
    expect(await set("other", acme)).toBe(403)
    expect(await set("acme", as({ sub: "nobody" }))).toBe(403)
    expect(await gateway.events("other")).toBe(0)
    expect((await send("GET", "/entity/ref/acme/order/1", other)).status).toBe(403)
    expect((await send("GET", "/entity/ref/acme/order/1", acme)).status).toBe(200)
  })

  it("judges an Apply as itself and each of its commands as its single call", async () => {
    const noDel = tenants.replace(
      /allow if .*\n$/,
      `allow if {
  input.body.domain == input.claims.tenant
  input.method != "/stategate.EntityService/Del"
}
`
    )
    const { gateway, send } = await start({ request: noDel })
    const command = (key: string) => ({ set: { type: "order", key, values: { total: 1 } } })
    const apply = (...commands: ReadonlyArray<object>) =>
      send("POST", "/entity/apply/acme", acme, { commands }).then(({ status }) => status)
    expect(await apply(command("1"), command("2"))).toBe(200)
    expect(await apply(command("3"), { del: { type: "order", key: "1" } })).toBe(403)
    expect(await gateway.events("acme")).toBe(2)
  })

  it("denies everything when there is none", async () => {
    const { send } = await start({})
    expect((await send("GET", "/entity/ref/acme/order/1", acme)).status).toBe(403)
  })
})

describe("a response policy", () => {
  const auditor = as({ sub: "ada", role: "auditor" })
  const everyone = `package stategate.authz\nimport rego.v1\nallow := true\n`

  it("withholds items of a search", async () => {
    const { send } = await start({ request: everyone, response: rows })
    for (let key = 0; key < 8; key++) {
      await send("POST", `/entity/ref/acme/order/${key}`, acme, { values: { secret: key % 2 === 0 } })
    }
    const keys = async (who: Record<string, string>) => {
      const answer = await send("GET", "/entity/search?domain=acme&type=order&limit=10", who)
      const { entities = [] } = (await answer.json()) as { entities?: ReadonlyArray<{ key: string }> }
      return entities.map(({ key }) => key)
    }
    expect(await keys(acme)).toEqual(["1", "3", "5", "7"])
    expect(await keys(auditor)).toHaveLength(8)
  })

  it("withholds events of a stream, of an open one too", async () => {
    const { app, send } = await start({ request: everyone, response: rows })
    const abort = new AbortController()
    const answer = await app.request("/api/events/stream?domain=acme&type=*&beginning=true", {
      headers: acme,
      signal: abort.signal
    })
    const reader = answer.body!.pipeThrough(new TextDecoderStream()).getReader()
    for (const [key, secret] of [
      ["1", true],
      ["2", false],
      ["3", true],
      ["4", false]
    ] as const) {
      await send("POST", `/entity/ref/acme/order/${key}`, acme, { values: { secret } })
    }
    let text = ""
    while (!text.includes('"key":"4"')) {
      const { value, done } = await reader.read()
      if (done) break
      text += value
    }
    abort.abort()
    expect([...text.matchAll(/"key":"(\d)"/g)].map(([, key]) => key)).toEqual(["2", "4"])
  })

  it("withholds the body of a change and never its outcome", async () => {
    const { gateway, send } = await start({ request: everyone, response: rows })
    const answer = await send("PATCH", "/entity/ref/acme/order/1", acme, { values: { secret: true } })
    expect([answer.status, answer.headers.get("stategate-version")]).toEqual([200, "1"])
    expect(await answer.text()).not.toContain("secret")
    expect(await gateway.events("acme")).toBe(1)
    expect((await send("GET", "/entity/ref/acme/order/1", acme)).status).toBe(403)
    expect(await (await send("GET", "/entity/ref/acme/order/1", auditor)).text()).toContain('"secret":true')
  })
})
