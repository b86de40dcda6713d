import { request } from "node:http"
import { afterAll, assert, beforeAll, test } from "vitest"
import { type GatewayProcess, startGateway } from "../support/process.ts"

// What a page gets to read of answers that are no calls: without CORS headers its browser hides even the status.

const page = "https://page.example"

let gateway: GatewayProcess
beforeAll(async () => {
  gateway = await startGateway({ STATEGATE_CORS_ORIGINS: page })
})
afterAll(() => gateway?.stop())

const ask = (path: string, headers: Record<string, string>, method = "GET") =>
  new Promise<Record<string, unknown>>((resolve, reject) =>
    request(gateway.url, { path, method, headers }, (answer) => {
      answer.resume()
      resolve({ status: answer.statusCode, ...answer.headers })
    })
      .on("error", reject)
      .end()
  )

test.each<[what: string, status: number, ...Parameters<typeof ask>]>([
  ["liveness", 200, "/livez", {}],
  ["readiness", 200, "/readyz", {}],
  ["a path that cannot be", 400, "/a\\b", {}],
  ["another host", 403, "/docs", { host: "evil.example" }],
  ["a Host that is none", 400, "/docs", { host: "localhost:70000" }],
  ["nothing at a path", 404, "/nothing", {}],
  ["the server as a whole", 204, "*", {}, "OPTIONS"],
  ["a call that cannot be read", 415, "/stategate.EntityService/Get", { "content-type": "text/plain" }, "POST"]
])("a page of an allowed origin can read of %s", async (_, status, path, headers, method) => {
  const known = await ask(path, { ...headers, origin: page }, method)
  assert.include(known, { status, "access-control-allow-origin": page })
  assert.match(String(known["vary"]), /\borigin\b/)
  assert.include(String(known["access-control-expose-headers"]), "x-request-id")
  const another = await ask(path, { ...headers, origin: "https://another.example" }, method)
  assert.notProperty(another, "access-control-allow-origin")
})
