// The port for operators: what it answers, to whom, and what it refuses.

import { get } from "node:http"
import { text as textOf } from "node:stream/consumers"
import { Cause, Effect, Exit, Layer, Logger, Scope } from "effect"
import { afterEach, assert, test } from "vitest"
import type { Profiles } from "../../../adapters/transport/ops/profiles.ts"
import { type OpsOptions, serveOps } from "../../../adapters/transport/ops/server.ts"
import type { Readings } from "../../../application/readiness.ts"
import { combineTelemetry, Telemetry } from "../../../application/telemetry.ts"

const ready: Readings = { ready: true, store: "ok", gateway: "ok" }
let scope = Scope.makeUnsafe()
afterEach(async () => {
  await Effect.runPromise(Scope.close(scope, Exit.void))
  scope = Scope.makeUnsafe()
})

const start = async (options: Partial<OpsOptions> = {}, heard: Layer.Layer<never> = Layer.empty): Promise<string> => {
  const metrics = { contentType: "text/plain; version=0.0.4", text: async () => "a_metric 1\n" }
  const served = serveOps({ host: "127.0.0.1", port: 0, metrics, readiness: Effect.succeed(ready), ...options })
  return (await Effect.runPromise(Effect.provide(Scope.provide(served, scope), heard))).url
}

interface Answer {
  readonly status: number
  readonly type: string | undefined
  readonly body: string
}

const ask = (url: string, headers: Record<string, string> = {}, method = "GET"): Promise<Answer> =>
  new Promise((resolve, reject) => {
    get(url, { headers, method }, async (response) => {
      const body = await textOf(response)
      resolve({ status: response.statusCode!, type: response.headers["content-type"], body })
    })
      .once("error", reject)
      .end()
  })

const bytes = async (body: string) => new TextEncoder().encode(body)
const profiles: Profiles = { cpu: (seconds) => bytes(`cpu ${seconds}`), heap: () => bytes("heap") }

test("metrics, liveness and readiness", async () => {
  let readings = ready
  const url = await start({ readiness: Effect.sync(() => readings) })
  assert.deepStrictEqual(await ask(`${url}/metrics`), {
    status: 200,
    type: "text/plain; version=0.0.4",
    body: "a_metric 1\n"
  })
  assert.deepInclude(await ask(`${url}/livez`), { status: 200, body: "ok\n" })
  assert.deepInclude(await ask(`${url}/readyz`), { status: 200, type: "application/json" })
  readings = { ready: false, store: "unavailable", gateway: "ok" }
  const answer = await ask(`${url}/readyz?verbose`)
  assert.strictEqual(answer.status, 503)
  assert.deepStrictEqual(JSON.parse(answer.body), readings)
  assert.deepInclude(await ask(`${url}/livez`), { status: 200 })
  assert.deepStrictEqual((await ask(url)).body.trim().split("\n"), ["/metrics", "/livez", "/readyz"])
  assert.deepInclude(await ask(`${url}/livez`, {}, "HEAD"), { status: 200, body: "" })
})

test("nothing else is there, and nothing can be sent", async () => {
  const url = await start()
  for (const path of ["/debug/pprof/heap", "/debug/pprof/profile", "/metrics/", "//", "/api/entity/search"])
    assert.strictEqual((await ask(`${url}${path}`)).status, 404, path)
  for (const method of ["POST", "DELETE", "OPTIONS"])
    assert.strictEqual((await ask(`${url}/metrics`, {}, method)).status, 405, method)
})

test("on a loopback address, only names of this machine are answered", async () => {
  const url = await start({ profiles })
  for (const path of ["/metrics", "/readyz", "/debug/pprof/heap"])
    assert.strictEqual((await ask(`${url}${path}`, { host: "rebound.example" })).status, 403, path)
  assert.strictEqual((await ask(`${url}/metrics`, { host: "localhost:8081" })).status, 200)
})

test("profiles are for this machine, and bounded", async () => {
  const url = await start({ profiles, host: "0.0.0.0" })
  const local = url.replace("0.0.0.0", "127.0.0.1")
  assert.deepInclude(await ask(`${local}/debug/pprof/heap`), { status: 200, body: "heap" })
  assert.deepInclude(await ask(`${local}/debug/pprof/profile`), { status: 200, body: "cpu 30" })
  assert.deepInclude(await ask(`${local}/debug/pprof/profile?seconds=2`), { status: 200, body: "cpu 2" })
  for (const seconds of ["0", "61", "-1", "1.5", "x", ""])
    assert.strictEqual((await ask(`${local}/debug/pprof/profile?seconds=${seconds}`)).status, 400, seconds)
  // A proxy beside the gateway speaks for callers elsewhere.
  const foreign = [{ host: "gateway.example" }, { "x-forwarded-for": "203.0.113.1" }, { forwarded: "for=203.0.113.1" }]
  for (const headers of foreign) {
    assert.strictEqual((await ask(`${local}/debug/pprof/heap`, headers as never)).status, 403)
    assert.strictEqual((await ask(`${local}/debug/pprof/profile?seconds=1`, headers as never)).status, 403)
    assert.strictEqual((await ask(`${local}/metrics`, headers as never)).status, 200)
  }
})

test("a profile that is being made is not disturbed", async () => {
  const url = await start({ profiles: { ...profiles, cpu: () => undefined } })
  assert.strictEqual((await ask(`${url}/debug/pprof/profile?seconds=1`)).status, 409)
})

test("what goes wrong stays in the log, and is counted", async () => {
  const lines: Array<string> = []
  const defects: Array<string> = []
  const log = Logger.layer([
    Logger.make<unknown, void>(({ message, cause }) => void lines.push(`${message} ${Cause.pretty(cause)}`))
  ])
  const counts = Layer.succeed(Telemetry, combineTelemetry({ recordDefect: (fiber) => void defects.push(fiber) }))
  const text = () => Promise.reject(new Error("secret"))
  const readiness = Effect.die(new Error("another secret"))
  const url = await start({ metrics: { contentType: "text/plain", text }, readiness }, Layer.merge(log, counts))
  for (const path of ["/metrics", "/readyz"]) {
    const answer = await ask(`${url}${path}`)
    assert.strictEqual(answer.status, 500)
    assert.notInclude(answer.body, "secret")
  }
  assert.strictEqual((await ask(`${url}/livez`)).status, 200)
  assert.deepStrictEqual(defects, ["operators", "operators"])
  assert.match(lines.join("\n"), /operators.*secret.*operators.*another secret/s)
})

test("a port that is taken is a failure that says so", async () => {
  const url = await start()
  const failed = await start({ port: Number(new URL(url).port) }).catch((error: Error) => error)
  assert.strictEqual((failed as NodeJS.ErrnoException).code, "EADDRINUSE")
})
