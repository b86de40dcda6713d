import { type Clock, Effect } from "effect"
import { clockLagWarnMs, clockOffMsMax } from "../limits.ts"

/** Warns if this machine's clock lags the last time in the log by more than `clockOffMsMax`. */
export const warnIfClockLags = (logNanos: bigint, nowNanos: bigint): Effect.Effect<void> => {
  const aheadMs = Number((logNanos - nowNanos) / 1_000_000n)
  if (aheadMs <= clockOffMsMax) return Effect.void
  return Effect.logWarning(
    `the last time in the log is ${aheadMs} ms ahead of this machine's clock; until the clock has caught up, new events get times that are ahead as well`
  )
}

/** Takes the times that events get, and warns every `clockLagWarnMs` while the clock lags them. */
export const clockWatch = (clock: Clock.Clock): ((logNanos: bigint) => Effect.Effect<void>) => {
  let quietUntil = 0n
  return (logNanos) => {
    const now = clock.currentTimeNanosUnsafe()
    // Warns again at once when the clock was set back once more.
    const isQuiet = now < quietUntil && quietUntil - now <= BigInt(clockLagWarnMs) * 1_000_000n
    if (isQuiet || logNanos - now <= BigInt(clockOffMsMax) * 1_000_000n) return Effect.void
    quietUntil = now + BigInt(clockLagWarnMs) * 1_000_000n
    return warnIfClockLags(logNanos, now)
  }
}
