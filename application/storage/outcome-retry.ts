import { Schedule } from "effect"
import { outcomeRetryMs, outcomeRetryMsMax, outcomeUnknownAfterMs } from "../limits.ts"

/** When to ask again whether a write was stored: with exponential backoff and jitter, until the outcome stays unknown. */
export const outcomeRetry = Schedule.min([
  Schedule.exponential(outcomeRetryMs),
  Schedule.spaced(outcomeRetryMsMax)
]).pipe(Schedule.jittered, Schedule.upTo({ duration: outcomeUnknownAfterMs }))
