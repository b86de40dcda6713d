import { Cause, Effect, Exit, type Scope } from "effect"
import { Backoff } from "./backoff.ts"
import { backgroundRetryMs, backgroundRetryMsMax } from "./limits.ts"
import { monotonicNow } from "./monotonic.ts"
import { Telemetry } from "./telemetry.ts"

/** The background fibers; labels of a metric. */
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

/** Logs and counts a defect. Expected failures, such as an unavailable store, are no defects. */
export const reportDefects = (fiber: BackgroundFiber, cause: Cause.Cause<unknown>): Effect.Effect<void> =>
  Cause.hasDies(cause)
    ? // A defect in the log itself must not end the fiber.
      Effect.ignoreCause(
        Effect.flatMap(Telemetry, ({ recordDefect }) => {
          recordDefect(fiber)
          return Effect.logError(`bug in the background fiber ${fiber}`, cause)
        })
      )
    : Effect.void

/** Runs work whose outcome nobody awaits, and reports its defects. */
export const inBackground = (fiber: BackgroundFiber, work: Effect.Effect<unknown, unknown>): Effect.Effect<void> =>
  Effect.catchCause(Effect.asVoid(work), (cause) => reportDefects(fiber, cause))

/**
 * Returns a function that starts background work from outside of effects, with the program's logger. The work ends with
 * the scope.
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
 * Forks work that repeats until the scope closes. After a defect it repeats after a pause, which grows while defects
 * follow one another. After a failure there is no pause: such work waits for something by itself.
 */
export const keepRunning = (
  fiber: BackgroundFiber,
  work: Effect.Effect<unknown, unknown>
): Effect.Effect<void, never, Scope.Scope> => {
  const untilItEnds = Effect.exit(Effect.forever(work, { disableYield: true }))
  const backoff = new Backoff({ firstMs: backgroundRetryMs, baseMs: backgroundRetryMs, maxMs: backgroundRetryMsMax })
  const round = Effect.gen(function* () {
    const exit = yield* untilItEnds
    // When the scope closes, the interruption ends this generator here.
    if (Exit.isSuccess(exit) || !(Cause.hasDies(exit.cause) || Cause.hasInterrupts(exit.cause))) return
    yield* reportDefects(fiber, exit.cause)
    yield* Effect.sleep(backoff.next(yield* monotonicNow))
  })
  return Effect.asVoid(Effect.forkScoped(Effect.forever(round)))
}
