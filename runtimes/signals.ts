import { constants } from "node:os"
import { Effect } from "effect"

// SIGHUP: the terminal of `npm run dev` was closed, or a supervisor reloads, for which it starts a new process.
const stopSignals = ["SIGTERM", "SIGINT", "SIGHUP"] as const
export type StopSignal = (typeof stopSignals)[number]

// A terminal sends Ctrl-C to everything that runs in it, and npm, which is a part of that, passes it on.
const echoMs = 1_000

/**
 * Resolves with the first signal that asks the process to end. Another one ends it at once, with 128 and the number of
 * the signal as its exit code, unless it comes so soon after the first that it is its echo.
 */
export const stopSignal = Effect.callback<StopSignal>((resume) => {
  let firstMs: number | undefined
  const onSignal = (signal: StopSignal) => {
    if (firstMs === undefined) {
      firstMs = performance.now()
      resume(Effect.succeed(signal))
    } else if (performance.now() - firstMs > echoMs) {
      process.exit(128 + constants.signals[signal])
    }
  }
  for (const signal of stopSignals) process.on(signal, onSignal)
})
