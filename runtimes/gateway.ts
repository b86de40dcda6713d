import { Cause, Effect, Exit, Fiber, Layer } from "effect"
import { callLog, layer as logLayer, openLog } from "../adapters/telemetry/pino/log.ts"
import { standardOutput } from "../adapters/telemetry/pino/output.ts"
import { openMetrics } from "../adapters/telemetry/prometheus/metrics.ts"
import { Readiness } from "../application/readiness.ts"
import { combineTelemetry, Telemetry } from "../application/telemetry.ts"
import about from "../package.json" with { type: "json" }
import { compose } from "./compose.ts"
import { ops } from "./ops.ts"
import { reportRefusal } from "./refusal.ts"
import { serve } from "./serve.ts"
import { parseSettings, type Settings } from "./settings.ts"
import { stopSignal } from "./signals.ts"

const parsed = parseSettings(process.env)
if ("errors" in parsed) {
  await reportRefusal("stategate cannot start", ...parsed.errors)
  process.exit(1)
}
const { settings, warnings } = parsed
const metrics = openMetrics({ version: about.version, runtime: `node ${process.versions.node}` })
const { log, waitingChars, flush, drain } = openLog(settings.logLevel, (lines) =>
  metrics.telemetry.count("logLinesLost", lines)
)
metrics.telemetry.registerGauge("logChars", waitingChars)
process.once("exit", flush)
for (const warning of warnings) log.warn(warning)

const tracer = Layer.unwrap(
  Effect.promise(async () =>
    settings.tracing === undefined
      ? Layer.empty
      : (await import("../adapters/telemetry/otlp/tracing.ts")).layer(settings.tracing, about.version)
  )
)
const telemetry = Layer.succeed(Telemetry, combineTelemetry(callLog(log, settings.decisionLog), metrics.telemetry))

/** What an operator wants to know first: what is served, where, from which store, and what nobody chose. */
const announce = (
  url: string,
  operators: string,
  { storage, channel, authDisabled, auth, policyDisabled, rego, tls, tracing, defaulted }: Settings
): void => {
  const store = storage.name === "sqlite" ? `sqlite, ${storage.path}` : storage.name
  const line = {
    url,
    ops: operators,
    serves: ["grpc", "grpc-web", "connect", "rest", "ndjson", "sse"],
    storage: store,
    channel: channel.name,
    auth: authDisabled ? "disabled" : auth?.isOptional ? "jwt, optional" : "jwt",
    policy: rego !== undefined ? "rego" : authDisabled || policyDisabled ? "allow-all" : "deny-all",
    tls: tls === undefined ? "off" : tls.clientCa === undefined ? "on" : "mutual",
    // The whole address may hold a secret.
    traces: tracing === undefined ? "off" : new URL(tracing.url).origin,
    defaulted
  }
  // For people; the log is for machines.
  if (process.stderr.isTTY) {
    standardOutput(2).write(`\n  stategate is at ${url}\n  and keeps its state in ${store}\n\n`, () => {})
  }
  log.info(line, `stategate serves gRPC, gRPC-web, Connect, REST and SSE at ${url}, from ${store}`)
  if (storage.name === "memory") log.warn("the memory store keeps nothing: all state is gone when this process ends")
  if (authDisabled && rego !== undefined) log.warn("authentication is disabled: policies decide without claims")
  else if (authDisabled) log.warn("authentication is disabled: whoever reaches the port may read and write everything")
  else if (policyDisabled) {
    log.warn(
      `there is no policy: every caller${auth?.isOptional ? "" : " with a good token"} may read and write everything`
    )
  } else if (rego === undefined) {
    log.warn(
      "there is no policy, so every call is denied; set STATEGATE_REQUEST_POLICY, or STATEGATE_POLICY_DISABLED=true to let all known " +
        "callers do everything"
    )
  }
  if (channel.name === "inmem") {
    log.info(
      "the inmem channel carries events within this process; other gateways on the same store find them by polling"
    )
  }
}

let serving = false
const main = Effect.scoped(
  Effect.gen(function* () {
    const operators = yield* ops(settings, metrics)
    const { url } = yield* serve(settings)
    serving = true
    announce(url, operators.url, settings)
    const signal = yield* stopSignal
    yield* Readiness.use(({ drain }) => drain)
    log.info(`${signal}: draining, for ${settings.shutdownGraceMs} ms at most`)
  })
).pipe(Effect.provide(Layer.provideMerge(compose(settings), Layer.mergeAll(logLayer(log), telemetry, tracer))))

const exit = await Fiber.await(Effect.runFork(main)).pipe(Effect.runPromise)
if (Exit.isFailure(exit)) {
  const failure = Cause.squash(exit.cause)
  // The reason why it does not start stands in the refusal; the place in the code is of use where it is a bug.
  if (serving || Cause.hasDies(exit.cause)) {
    log.fatal({ cause: failure instanceof Error ? failure.stack : failure }, "stategate cannot go on")
  }
  const reason = failure instanceof Error ? failure.message : String(failure)
  await Promise.all([drain(), reportRefusal(`stategate cannot ${serving ? "go on" : "start"}`, reason)])
  process.exit(1)
}
log.info("stopped")
await drain()
process.exit(0)
