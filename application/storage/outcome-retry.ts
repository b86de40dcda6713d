import { Schedule } from "effect"
import { settleMsMax, settlePauseMs, settlePauseMsMax } from "../limits.ts"

/** When to ask again what became of a write: soon, then less and less often, and not for ever. */
export const settling = Schedule.min([Schedule.exponential(settlePauseMs), Schedule.spaced(settlePauseMsMax)]).pipe(
  Schedule.jittered,
  Schedule.upTo({ duration: settleMsMax })
)
