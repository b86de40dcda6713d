import { type Clock, Effect } from "effect"
import { clockBehindWarnMs, clockOffMsMax } from "../limits.ts"

/** A warning that the last time in the log is ahead of the clock, unless it is by no more than clocks may differ. */
export const warnIfBehind = (logNanos: bigint, nowNanos: bigint): Effect.Effect<void> => {
  const aheadMs = Number((logNanos - nowNanos) / 1_000_000n)
  if (aheadMs <= clockOffMsMax) return Effect.void
  return Effect.logWarning(
    `the last time in the log is ${aheadMs} ms ahead of this machine's clock; until the clock has caught up, new events get times that are ahead as well`
  )
}

/** Watches the times that events get, and warns now and then while the clock is behind them. */
export const clockWatch = (clock: Clock.Clock): ((logNanos: bigint) => Effect.Effect<void>) => {
  let quietUntil = 0n
  return (logNanos) => {
    const now = clock.currentTimeNanosUnsafe()
    // A clock that went back again is news.
    const isQuiet = now < quietUntil && quietUntil - now <= BigInt(clockBehindWarnMs) * 1_000_000n
    if (isQuiet || logNanos - now <= BigInt(clockOffMsMax) * 1_000_000n) return Effect.void
    quietUntil = now + BigInt(clockBehindWarnMs) * 1_000_000n
    return warnIfBehind(logNanos, now)
  }
}
