import { Effect } from "effect"
import type { Metrics } from "../adapters/telemetry/prometheus/metrics.ts"
import { openProfiles } from "../adapters/transport/ops/profiles.ts"
import { serveOps } from "../adapters/transport/ops/server.ts"
import { Readiness } from "../application/readiness.ts"
import type { Settings } from "./settings.ts"

/** The port for operators. Opened before the other one and closed after it, so that a drain can be watched to its end. */
export const ops = Effect.fnUntraced(function* (
  { metricsHost: host, metricsPort: port, debug }: Settings,
  metrics: Metrics
) {
  const { check } = yield* Readiness
  const profiles = debug
    ? yield* Effect.catch(openProfiles, (error) =>
        Effect.as(Effect.logWarning("there are no profiles", error), undefined)
      )
    : undefined
  return yield* Effect.mapError(serveOps({ host, port, metrics, readiness: check, profiles }), (cause) => {
    const why = `the port for operators cannot be opened at ${host}:${port}; set STATEGATE_METRICS_PORT or _HOST`
    return new Error(`${why}: ${cause.message}`, { cause })
  })
})
