import { Effect, Layer } from "effect"
import { expect, it } from "vitest"
import { restApp } from "../../../adapters/transport/rest/app.ts"
import { Unauthenticated } from "../../../application/failure.ts"
import { Authenticator } from "../../../application/ports/Authenticator.ts"
import { Policy } from "../../../application/ports/Policy.ts"
import { startGateway } from "../../support/gateway.ts"

/** Knows tokens that are the milliseconds for which they are good. */
const authenticator = Layer.succeed(
  Authenticator,
  Authenticator.of({
    keys: Effect.succeed(undefined),
    authenticate: (authorization) =>
      authorization === undefined
        ? Effect.fail(new Unauthenticated({ message: "a bearer token is required" }))
        : Effect.succeed({
            claims: { sub: "anna" },
            expiresMs: Date.now() + Number(authorization.slice("Bearer ".length))
          })
  })
)

const policy = Layer.succeed(
  Policy,
  Policy.of({
    allowsRequest: ({ method }) => Effect.succeed(!method.endsWith("/Del")),
    allowsResponse: () => Effect.succeed(true)
  })
)

const path = "/api/entity/ref/shop/user/7"
const token = (ms: number) => ({ authorization: `Bearer ${ms}` })

it("refuses callers without a token, and without permission", async () => {
  const { gate, close } = await startGateway({ authenticator, policy })
  const app = restApp(gate)
  const nobody = await app.request(path)
  expect([nobody.status, nobody.headers.get("www-authenticate")]).toEqual([401, "Bearer"])
  expect(nobody.headers.get("cache-control")).toBe("no-store")
  expect(await nobody.json()).toEqual({ code: 16, message: "a bearer token is required", details: [] })
  // A token in the URL ends up in logs and histories.
  expect((await app.request(`${path}?access_token=1000`)).status).toBe(401)
  const denied = await app.request(path, { method: "DELETE", headers: token(1000) })
  expect([denied.status, ((await denied.json()) as { code: number }).code]).toEqual([403, 7])
  expect((await app.request(path, { headers: token(1000) })).status).toBe(404)
  await close()
})

it("a stream ends when its token does, and says so", async () => {
  const { gate, close, records } = await startGateway({ authenticator, policy })
  const stream = (accept: string) =>
    Promise.resolve(
      restApp(gate).request("/api/events/stream?domain=*&type=*", { headers: { accept, ...token(30) } })
    ).then((answer) => answer.text())
  const [events, lines] = await Promise.all([stream("text/event-stream"), stream("*/*")])
  const status = JSON.stringify({
    code: 16,
    message: "the token has expired; open the stream again with a new one",
    details: []
  })
  expect(events).toMatch(/^retry: 2000\nid: [\w-]+\n\nevent: error\ndata: .*\n\n$/)
  expect(events).toContain(`data: ${status}\n\n`)
  expect(lines).toBe(`{"error":${status}}\n`)
  expect(records.map(({ code }) => code)).toEqual(["unauthenticated", "unauthenticated"])
  await close()
})

it("a bug shows the id of the call, and what it was only to the log", async () => {
  const { gate, close, records } = await startGateway()
  const bug = new Error("at line 7 of the secret")
  const app = restApp({ ...gate, unary: () => Promise.reject(bug) })
  const answer = await app.request(path, { headers: { "x-request-id": "call-7" } })
  const text = await answer.text()
  expect([answer.status, JSON.parse(text).code, text.includes("secret")]).toEqual([500, 13, false])
  expect(answer.headers.get("x-request-id")).toBe("call-7")
  expect(records).toMatchObject([{ code: "internal", callId: "call-7", cause: bug }])
  await close()
})
