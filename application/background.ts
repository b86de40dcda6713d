import { Cause, Effect, Exit, type Scope } from "effect"
import { Backoff } from "./backoff.ts"
import { backgroundRetryMs, backgroundRetryMsMax } from "./limits.ts"
import { monotonicNow } from "./monotonic.ts"
import { Telemetry } from "./telemetry.ts"

/** What runs beside the calls. Labels of a metric: a few, and none that a caller can invent. */
export const backgroundFibers = [
  "announcer",
  "clock-guard",
  "committer",
  "drain",
  "feed-check",
  "feed-fill",
  "feed-heartbeat",
  "feed-poll",
  "keys",
  "late-commits",
  "operators",
  "policy",
  "readiness",
  "circuit-breaker"
] as const

export type BackgroundFiber = (typeof backgroundFibers)[number]

/** Logs and counts a defect. A failure that is expected, such as that of a store that is away, is none. */
export const reportDefects = (fiber: BackgroundFiber, cause: Cause.Cause<unknown>): Effect.Effect<void> =>
  Cause.hasDies(cause)
    ? // A log that is broken itself must not end what it reports on.
      Effect.ignoreCause(
        Effect.flatMap(Telemetry, ({ recordDefect }) => {
          recordDefect(fiber)
          return Effect.logError(`there is a bug in what runs in the background: ${fiber}`, cause)
        })
      )
    : Effect.void

/** Runs something of which nobody waits for the outcome; a defect does not go unheard. */
export const inBackground = (fiber: BackgroundFiber, work: Effect.Effect<unknown, unknown>): Effect.Effect<void> =>
  Effect.catchCause(Effect.asVoid(work), (cause) => reportDefects(fiber, cause))

/**
 * What starts such work from outside of effects, in the context of the program, so that it logs as everything else does.
 * The work ends with the scope.
 */
export const backgroundStarter: Effect.Effect<
  (fiber: BackgroundFiber, work: Effect.Effect<unknown, unknown>) => void,
  never,
  Scope.Scope
> = Effect.gen(function* () {
  const scope = yield* Effect.scope
  const run = Effect.runForkWith(yield* Effect.context<never>())
  return (fiber, work) => void run(Effect.forkIn(inBackground(fiber, work), scope))
})

/**
 * Forks work that is done again and again until the scope closes. A defect does not end it: it goes on after a pause,
 * which grows while defects follow one another. A failure makes no pause, for such work waits for something by itself.
 */
export const keepRunning = (
  fiber: BackgroundFiber,
  work: Effect.Effect<unknown, unknown>
): Effect.Effect<void, never, Scope.Scope> => {
  const untilItEnds = Effect.exit(Effect.forever(work, { disableYield: true }))
  const backoff = new Backoff({ firstMs: backgroundRetryMs, baseMs: backgroundRetryMs, maxMs: backgroundRetryMsMax })
  const round = Effect.gen(function* () {
    const exit = yield* untilItEnds
    // Where it is the scope that ends it, nothing of what follows happens.
    if (Exit.isSuccess(exit) || !(Cause.hasDies(exit.cause) || Cause.hasInterrupts(exit.cause))) return
    yield* reportDefects(fiber, exit.cause)
    yield* Effect.sleep(backoff.next(yield* monotonicNow))
  })
  return Effect.asVoid(Effect.forkScoped(Effect.forever(round)))
}
