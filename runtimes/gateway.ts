import { Cause, Effect, Exit, Fiber, Layer } from "effect"
import { openLog, layer as telemetry, watcher } from "../adapters/telemetry/pino/log.ts"
import { openMetrics } from "../adapters/telemetry/prometheus/metrics.ts"
import { Observer, watchers } from "../application/observer.ts"
import { Readiness } from "../application/readiness.ts"
import about from "../package.json" with { type: "json" }
import { compose } from "./compose.ts"
import { ops } from "./ops.ts"
import { serve } from "./serve.ts"
import { parseSettings, type Settings } from "./settings.ts"

const parsed = parseSettings(process.env)
if ("errors" in parsed) {
  process.stderr.write(`stategate cannot start:\n${parsed.errors.map((error) => `  ${error}\n`).join("")}`)
  process.exit(1)
}
const { settings, warnings } = parsed
const { log, flush } = openLog(settings.logLevel)
process.once("exit", flush)
for (const warning of warnings) log.warn(warning)

const metrics = openMetrics({ version: about.version, runtime: `node ${process.versions.node}` })
const tracer = Layer.unwrap(
  Effect.promise(async () =>
    settings.tracing === undefined
      ? Layer.empty
      : (await import("../adapters/telemetry/otlp/tracing.ts")).layer(settings.tracing, about.version)
  )
)
const observed = Layer.succeed(Observer, watchers(watcher(log), metrics.watcher))

/** What an operator wants to know first: what is served, where, from which store, and what nobody chose. */
const announce = (
  url: string,
  operators: string,
  { storage, channel, authDisabled, tls, tracing, defaulted }: Settings
): void => {
  const store = storage.name === "sqlite" ? `sqlite, ${storage.path}` : storage.name
  const line = {
    url,
    ops: operators,
    serves: ["grpc", "grpc-web", "connect", "rest", "ndjson", "sse"],
    storage: store,
    channel: channel.name,
    auth: authDisabled ? "disabled" : "jwt",
    tls: tls === undefined ? "off" : tls.clientCaFile === undefined ? "on" : "mutual",
    // The whole address may hold a secret.
    traces: tracing === undefined ? "off" : new URL(tracing.url).origin,
    defaulted
  }
  // For people; the log is for machines.
  if (process.stderr.isTTY) process.stderr.write(`\n  stategate is at ${url}\n  and keeps its state in ${store}\n\n`)
  log.info(line, `stategate serves gRPC, gRPC-web, Connect, REST and SSE at ${url}, from ${store}`)
  if (storage.name === "memory") log.warn("the memory store keeps nothing: all state is gone when this process ends")
  if (authDisabled) log.warn("authentication is disabled: whoever reaches the port may read and write everything")
  if (channel.name === "inmem") {
    log.info(
      "the inmem channel carries events within this process; other gateways on the same store find them by polling"
    )
  }
}

// A terminal sends Ctrl-C to everything that runs in it, and npm, which is a part of that, passes it on.
const echoMs = 1_000

/** Resolves with the first signal that asks the process to end; another one, unless an echo, ends it at once. */
const stopSignal = Effect.callback<NodeJS.Signals>((resume) => {
  let firstMs: number | undefined
  const onSignal = (signal: NodeJS.Signals) => {
    if (firstMs === undefined) {
      firstMs = performance.now()
      resume(Effect.succeed(signal))
    } else if (performance.now() - firstMs > echoMs) {
      process.exit(signal === "SIGINT" ? 130 : 143)
    }
  }
  process.on("SIGTERM", onSignal).on("SIGINT", onSignal)
})

const main = Effect.scoped(
  Effect.gen(function* () {
    const operators = yield* ops(settings, metrics)
    const { url } = yield* serve(settings)
    announce(url, operators.url, settings)
    const signal = yield* stopSignal
    yield* Readiness.use(({ drain }) => drain)
    log.info(`${signal}: draining, for ${settings.shutdownGraceMs} ms at most`)
  })
).pipe(Effect.provide(Layer.provideMerge(compose(settings), Layer.mergeAll(telemetry(log), observed, tracer))))

const exit = await Fiber.await(Effect.runFork(main)).pipe(Effect.runPromise)
if (Exit.isFailure(exit)) {
  const failure = Cause.squash(exit.cause)
  log.fatal({ cause: failure instanceof Error ? failure.stack : failure }, "stategate cannot go on")
  process.stderr.write(`stategate cannot start: ${failure instanceof Error ? failure.message : String(failure)}\n`)
  process.exit(1)
}
log.info("stopped")
process.exit(0)
