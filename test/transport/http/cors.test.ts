import { describe, expect, it } from "vitest"
import { corsHeaders, isPreflight } from "../../../adapters/transport/http/cors.ts"
import { restApp } from "../../../adapters/transport/rest/app.ts"
import { startGateway } from "../../support/gateway.ts"

const page = "https://page.example"
const path = "/api/entity/ref/shop/user/7"
const asked = { origin: page, "access-control-request-method": "PUT", "access-control-request-headers": "if-match" }

const answers = async (corsOrigins: ReadonlyArray<string>, method: string, headers: Record<string, string>) => {
  const gateway = await startGateway()
  const answer = await restApp(gateway.gate, { corsOrigins }).request(path, { method, headers })
  await gateway.close()
  return answer
}

describe("pages of other origins", () => {
  it("may read nothing by default", async () => {
    for (const [method, headers] of [
      ["GET", { origin: page }],
      ["OPTIONS", asked]
    ] as const) {
      const { headers: answered } = await answers([], method, headers)
      expect([...answered.keys()].filter((name) => name.startsWith("access-control"))).toEqual([])
    }
  })

  it("may read failures too, if they are let in", async () => {
    const { status, headers } = await answers([page], "GET", { origin: page })
    expect([status, headers.get("access-control-allow-origin")]).toEqual([404, page])
    expect(headers.get("access-control-expose-headers")).toContain("stategate-version")
    expect(headers.get("vary")).toBe("authorization, origin")
    expect(headers.get("access-control-allow-credentials")).toBeNull()
  })

  it("ask first, and are answered without a call", async () => {
    const { status, headers } = await answers([page], "OPTIONS", asked)
    expect([status, headers.get("access-control-allow-origin")]).toEqual([204, page])
    expect(headers.get("access-control-allow-methods")).toContain("PUT")
    const allowed = headers.get("access-control-allow-headers")?.split(", ")
    expect(allowed).toEqual(expect.arrayContaining(["if-match", "traceparent", "tracestate", "baggage"]))
    expect(headers.get("access-control-max-age")).toBe("7200")
  })

  it.each(["https://page.example.evil", "http://page.example", "https://page.example:444", "null", "", "HTTPS://PAGE"])(
    "are told apart exactly: %s is another",
    async (origin) => {
      expect(corsHeaders(origin, [page])).toEqual({ vary: "origin" })
      expect(corsHeaders(origin, [page], true)).toEqual({ vary: "origin" })
    }
  )

  it("are all let in by *, and caches need not tell them apart", () => {
    expect(corsHeaders(page, ["*"])).toMatchObject({ "access-control-allow-origin": "*" })
    expect(corsHeaders(page, ["*"])).not.toHaveProperty("vary")
    expect(corsHeaders(undefined, ["*"])).toEqual({})
  })
})

it("a preflight is OPTIONS with an origin and a method", () => {
  const header = (headers: Record<string, string>) => (name: string) => headers[name]
  expect(isPreflight("OPTIONS", header(asked))).toBe(true)
  expect(isPreflight("OPTIONS", header({ origin: page }))).toBe(false)
  expect(isPreflight("GET", header(asked))).toBe(false)
})
