// Spans on their way to a collector: which are recorded, and what becomes of them when it does not answer.

import { once } from "node:events"
import { createServer, type RequestListener } from "node:http"
import type { AddressInfo } from "node:net"
import { Clock, Effect, Exit, Layer, Scope, Tracer } from "effect"
import { afterEach, assert, test } from "vitest"
import { layer, type Sampling, type TracingSettings } from "../../adapters/telemetry/otlp/tracing.ts"
import { exportsAtOnceMax } from "../../application/limits.ts"
import { startSpan } from "../../application/tracing.ts"

const ends: Array<() => Promise<unknown>> = []
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end()
})

const collector = async (answer: RequestListener): Promise<string> => {
  const server = createServer(answer).listen(0, "127.0.0.1")
  await once(server, "listening")
  ends.push(async () => {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1/traces`
}

const all: Sampling = { ratio: 1, parentBased: true }

/** A tracer whose spans go out when a thousand of them have gathered, and when it ends. */
const tracing = async (url: string, more: Partial<TracingSettings> = {}) => {
  const settings: TracingSettings = {
    url,
    headers: {},
    serviceName: "test",
    encoding: "json",
    delayMs: 60_000,
    timeoutMs: 60_000,
    sampling: all,
    ...more
  }
  const scope = Scope.makeUnsafe()
  const close = () => Effect.runPromise(Scope.close(scope, Exit.void))
  ends.push(close)
  const built = Effect.provideService(Layer.buildWithScope(layer(settings, "1"), scope), Scope.Scope, scope)
  const tracer = await Effect.runPromise(Effect.flatMap(built, (context) => Effect.provide(Effect.tracer, context)))
  const clock = await Effect.runPromise(Clock.clockWith(Effect.succeed))
  const span = (parent?: Tracer.AnySpan) => startSpan(tracer, clock, { name: "call", kind: "server", parent })
  const record = (spans: number) => {
    for (let i = 0; i < spans; i++) span().end(clock.currentTimeNanosUnsafe(), Exit.void)
  }
  return { span, record, close }
}

test("a collector that takes spans and does not answer has few requests at once", async () => {
  let open = 0
  let most = 0
  const url = await collector((_, response) => {
    open += 1
    most = Math.max(most, open)
    response.once("close", () => {
      open -= 1
    })
  })
  const { record, close } = await tracing(url)
  record(1000 * (exportsAtOnceMax + 3))
  // Ends when it has waited long enough for the answers; until then everything had the time to be sent.
  await close()
  assert.strictEqual(most, exportsAtOnceMax)
})

test("a request that is not answered in time is given up, and its spans are sent again", async () => {
  let requests = 0
  let again = () => {}
  const sentAgain = new Promise<void>((resolve) => {
    again = resolve
  })
  const url = await collector((_, response) => {
    requests += 1
    if (requests === 1) return
    response.end("{}")
    again()
  })
  const { record } = await tracing(url, { timeoutMs: 50 })
  record(1000)
  await sentAgain
})

const half = (traceId: string) => BigInt(`0x${traceId.slice(-14)}`) >= 2n ** 55n

test("a ratio decides by the last 56 bits of the trace's id, whoever began the trace", async () => {
  const url = await collector((_, response) => response.end("{}"))
  const { span } = await tracing(url, { sampling: { ratio: 0.5, parentBased: false } })
  const id = (end: string) => `4bf92f3577b34da6a3${end}`
  for (const [end, isRecorded] of [
    ["00000000000000", false],
    ["7fffffffffffff", false],
    ["80000000000000", true],
    ["ffffffffffffff", true]
  ] as const) {
    const parent = Tracer.externalSpan({ traceId: id(end), spanId: "00f067aa0ba902b7", sampled: !isRecorded })
    assert.strictEqual(span(parent).sampled, isRecorded, end)
  }
  for (let i = 0; i < 100; i++) {
    const root = span()
    assert.strictEqual(root.sampled, half(root.traceId), root.traceId)
    assert.strictEqual(span(root).sampled, root.sampled)
  }
})

test("nothing is recorded at 0, and everything at 1", async () => {
  const url = await collector((_, response) => response.end("{}"))
  for (const ratio of [0, 1]) {
    const { span } = await tracing(url, { sampling: { ratio, parentBased: false } })
    for (const end of ["00000000000000", "ffffffffffffff"]) {
      const parent = Tracer.externalSpan({ traceId: `4bf92f3577b34da6a3${end}`, spanId: "00f067aa0ba902b7" })
      assert.strictEqual(span(parent).sampled, ratio === 1, end)
    }
    assert.strictEqual(span().sampled, ratio === 1)
  }
})
