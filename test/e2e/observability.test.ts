// What operators see of a gateway that runs: metrics, readiness, profiles and traces.

import { execFileSync } from "node:child_process"
import { once } from "node:events"
import { writeFileSync } from "node:fs"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { json } from "node:stream/consumers"
import { createClient } from "@connectrpc/connect"
import { createGrpcTransport } from "@connectrpc/connect-node"
import { afterEach, assert, describe, test } from "vitest"
import { EntityService, type Event, EventService } from "../../proto/gen/stategate/stategate_pb.js"
import { need, program } from "../support/need.ts"
import { type GatewayProcess, startGateway, temporaryFolder } from "../support/process.ts"

const running: Array<GatewayProcess> = []
afterEach(async () => {
  for (const gateway of running.splice(0)) await gateway.stop("SIGKILL")
})
const start = async (env: Record<string, string> = {}) => {
  const gateway = await startGateway(env)
  running.push(gateway)
  return gateway
}

const set = async (gateway: GatewayProcess, key: string, headers: Record<string, string> = {}) => {
  const response = await fetch(`${gateway.url}/api/entity/ref/shop/order/${key}`, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: '{"values": {"n": 1}}'
  })
  assert.strictEqual(response.status, 200, await response.text())
}

const eventsOf = async (gateway: GatewayProcess): Promise<ReadonlyArray<{ readonly traceParent?: string }>> => {
  const response = await fetch(`${gateway.url}/api/events/search?domain=shop&type=order&limit=10`)
  return ((await response.json()) as { readonly events: ReadonlyArray<{ readonly traceParent?: string }> }).events
}

const metricsOf = async ({ ops }: GatewayProcess): Promise<string> => (await fetch(`${ops}/metrics`)).text()

test("metrics tell what callers did", async () => {
  const gateway = await start()
  const transport = createGrpcTransport({ baseUrl: gateway.url })
  const stream = createClient(EventService, transport).stream({ domain: "shop", type: "*", progress: true })
  const events = stream[Symbol.asyncIterator]()
  const first = events.next()
  const client = createClient(EntityService, transport)
  await client.set({ domain: "shop", type: "order", key: "1", values: { n: 1 } })
  await set(gateway, "2")
  await fetch(`${gateway.url}/api/entity/ref/shop/order/3`)
  await fetch(`${gateway.url}/a-path-that-somebody-made-up`)
  let seen: Event | undefined = (await first).value
  while (seen?.entity?.key !== "2") seen = (await events.next()).value
  const text = await metricsOf(gateway)
  const line = (start: string) => text.split("\n").find((one) => one.startsWith(start))
  const calls = (method: string, protocol: string, code: string) =>
    line(`stategate_calls_total{method="${method}",protocol="${protocol}",code="${code}"}`)?.split(" ").at(-1)
  assert.strictEqual(calls("/stategate.EntityService/Set", "grpc", "ok"), "1")
  assert.strictEqual(calls("/stategate.EntityService/Set", "rest", "ok"), "1")
  assert.strictEqual(calls("/stategate.EntityService/Get", "rest", "not_found"), "1")
  assert.strictEqual(calls("unmatched", "rest", "not_found"), "1")
  assert.strictEqual(line("stategate_streams_open"), "stategate_streams_open 1")
  assert.strictEqual(line("stategate_calls_in_flight"), "stategate_calls_in_flight 0")
  assert.strictEqual(line("stategate_commit_events_sum"), "stategate_commit_events_sum 2")
  assert.strictEqual(line("stategate_commit_queue_jobs"), "stategate_commit_queue_jobs 0")
  assert.isDefined(line("process_resident_memory_bytes "))
  assert.isDefined(line("stategate_build_info{"))
  assert.notInclude(text, "shop")
  assert.notInclude(text, "a-path")
  await events.return?.()
})

test("a gateway that drains is not ready, alive, and still tells its metrics", async () => {
  const gateway = await start({ STATEGATE_SHUTDOWN_GRACE: "30s" })
  assert.strictEqual((await fetch(`${gateway.ops}/readyz`)).status, 200)
  // A call that is under way holds up the drain: its body does not end before the test wants it to.
  let finish = () => {}
  const body = new ReadableStream({
    start: (controller) => {
      controller.enqueue(new TextEncoder().encode('{"values": {'))
      finish = () => {
        controller.enqueue(new TextEncoder().encode("}}"))
        controller.close()
      }
    }
  })
  const call = fetch(`${gateway.url}/api/entity/ref/shop/order/1`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body,
    duplex: "half"
  } as RequestInit)
  // Answered on another connection only after the call's first bytes were on their way.
  await fetch(`${gateway.url}/api/entity/ref/shop/order/1`)
  process.kill(gateway.pid, "SIGTERM")
  let readings = await fetch(`${gateway.ops}/readyz`)
  while (readings.status === 200) readings = await fetch(`${gateway.ops}/readyz`)
  assert.strictEqual(readings.status, 503)
  assert.deepInclude(await readings.json(), { store: "ok", gateway: "draining" })
  assert.strictEqual((await fetch(`${gateway.ops}/livez`)).status, 200)
  assert.include(await metricsOf(gateway), "stategate_calls_total")
  finish()
  await call.catch(() => undefined)
  assert.deepStrictEqual(await gateway.stop(), { code: 0, signal: null })
})

const go = need("go", { enable: "apt-get install golang", found: program("go") })

test("profiles are what go tool pprof reads", { ...go.options, timeout: 180_000 }, async () => {
  const folder = temporaryFolder()
  try {
    const gateway = await start({ STATEGATE_DEBUG: "true" })
    const read = async (path: string) => {
      const response = await fetch(`${gateway.ops}${path}`)
      assert.strictEqual(response.status, 200)
      writeFileSync(`${folder.path}/profile`, new Uint8Array(await response.arrayBuffer()))
      return execFileSync(go.found ?? "go", ["tool", "pprof", "-top", `${folder.path}/profile`], {
        encoding: "utf8",
        stdio: ["ignore", "pipe", "pipe"]
      })
    }
    let isOver = false
    const work = (async () => {
      for (let i = 0; !isOver; i++) await set(gateway, `${i}`)
    })()
    const cpu = read("/debug/pprof/profile?seconds=2")
    const top = await cpu
    isOver = true
    await work
    assert.match(top, /Type: cpu/)
    assert.match(top, /\d+ms +[\d.]+% .*processTicksAndRejections/)
    assert.notMatch(top, /\(idle\)/)
    assert.match(await read("/debug/pprof/heap"), /Type: inuse_space[\s\S]*kB +[\d.]+%/)
  } finally {
    folder.remove()
  }
})

test("there are no profiles unless somebody debugs", async () => {
  const gateway = await start()
  assert.strictEqual((await fetch(`${gateway.ops}/debug/pprof/heap`)).status, 404)
})

interface Span {
  readonly name: string
  readonly traceId: string
  readonly spanId: string
  readonly parentSpanId?: string
  readonly kind: number
  readonly attributes: ReadonlyArray<{ readonly key: string; readonly value: { readonly stringValue?: string } }>
}

/** Takes spans as a collector does, until it is closed. */
const collector = async () => {
  const spans: Array<Span> = []
  const requests: Array<{ readonly url: string; readonly authorization: string | undefined }> = []
  let told = () => {}
  const server = createServer(async (request, response) => {
    requests.push({ url: request.url!, authorization: request.headers.authorization })
    const body = (await json(request)) as {
      readonly resourceSpans: ReadonlyArray<{ readonly scopeSpans: ReadonlyArray<{ readonly spans: Array<Span> }> }>
    }
    for (const { scopeSpans } of body.resourceSpans) for (const part of scopeSpans) spans.push(...part.spans)
    response.setHeader("content-type", "application/json").end("{}")
    told()
  }).listen(0, "127.0.0.1")
  await once(server, "listening")
  const named = async (name: string): Promise<Span> => {
    while (true) {
      const found = spans.find((span) => span.name === name)
      if (found !== undefined) return found
      await new Promise<void>((resolve) => {
        told = resolve
      })
    }
  }
  const close = async () => {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  }
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, spans, requests, named, close }
}

const attributesOf = ({ attributes }: Span) =>
  Object.fromEntries(attributes.map(({ key, value }) => [key, value.stringValue]))

describe("traces", () => {
  const traceId = "4bf92f3577b34da6a3ce929d0e0e4736"
  const parent = "00f067aa0ba902b7"
  const traceparent = `00-${traceId}-${parent}-01`
  const traced = (url: string) => ({
    OTEL_EXPORTER_OTLP_ENDPOINT: url,
    OTEL_EXPORTER_OTLP_PROTOCOL: "http/json",
    OTEL_EXPORTER_OTLP_HEADERS: "authorization=Bearer%20secret",
    OTEL_BSP_SCHEDULE_DELAY: "50"
  })

  test("go on where the caller's left off, down to the write and into the event", async () => {
    const otlp = await collector()
    try {
      const gateway = await start(traced(otlp.url))
      await set(gateway, "1", { traceparent })
      const call = await otlp.named("stategate.EntityService/Set")
      assert.deepInclude(call, { traceId, parentSpanId: parent, kind: 2 })
      assert.deepInclude(attributesOf(call), { "rpc.response.status_code": "OK", "stategate.protocol": "rest" })
      const wait = await otlp.named("Committer.submit")
      assert.deepInclude(wait, { traceId, parentSpanId: call.spanId })
      assert.deepInclude(await otlp.named("EventStore.commit"), { traceId, parentSpanId: wait.spanId, kind: 3 })
      const [event] = await eventsOf(gateway)
      assert.strictEqual(event?.traceParent, `00-${traceId}-${call.spanId}-01`)
      assert.deepInclude(otlp.requests[0], { url: "/v1/traces", authorization: "Bearer secret" })
      const search = await otlp.named("stategate.EventService/Search")
      assert.notStrictEqual(search.traceId, traceId)
      assert.isTrue(gateway.log.some((line) => line["traceId"] === traceId))
    } finally {
      await otlp.close()
    }
  })

  test("are recorded if the caller's are, and sent before the gateway ends", async () => {
    const otlp = await collector()
    try {
      const gateway = await start({ ...traced(otlp.url), OTEL_BSP_SCHEDULE_DELAY: "60000" })
      await set(gateway, "1", { traceparent: `00-${traceId}-${parent}-00` })
      await fetch(`${gateway.url}/api/entity/ref/shop/order/none`)
      assert.match((await eventsOf(gateway))[0]?.traceParent ?? "", new RegExp(`^00-${traceId}-(?!${parent}).{16}-00$`))
      assert.deepStrictEqual(await gateway.stop(), { code: 0, signal: null })
      assert.deepStrictEqual(
        otlp.spans.map(({ name }) => name),
        ["stategate.EntityService/Get", "stategate.EventService/Search"]
      )
      assert.strictEqual(attributesOf(otlp.spans[0]!)["rpc.response.status_code"], "NOT_FOUND")
    } finally {
      await otlp.close()
    }
  })

  test("that nobody records still travel into the event, unless they are none", async () => {
    const gateway = await start()
    await set(gateway, "1", { traceparent })
    await set(gateway, "2", { traceparent: "not a trace" })
    await set(gateway, "3")
    const found = (await eventsOf(gateway)).map(({ traceParent }) => traceParent)
    assert.deepStrictEqual(found, [traceparent, undefined, undefined])
  })
})
