import { Clock, Duration, Effect, Random, Scheduler } from "effect"
import { headsPollWideMs } from "../../application/limits.ts"

/** Runs where turns of the event loop, time and chance are those of a model; what sleeps for long never wakes. */
export const inModelTime = <A, E>(
  effect: Effect.Effect<A, E>,
  {
    turns,
    millis,
    sleep
  }: {
    readonly turns: Array<() => void>
    readonly millis: () => number
    readonly sleep: (millis: number) => Effect.Effect<void>
  }
): Effect.Effect<A, E> => {
  const scheduler = new Scheduler.MixedScheduler("async", (run) => {
    let isCanceled = false
    turns.push(() => isCanceled || run())
    return () => {
      isCanceled = true
    }
  })
  const nanos = () => BigInt(Math.round(millis() * 1e6))
  const clock: Clock.Clock = {
    currentTimeMillisUnsafe: millis,
    currentTimeMillis: Effect.sync(millis),
    currentTimeNanosUnsafe: nanos,
    currentTimeNanos: Effect.sync(nanos),
    monotonicTimeNanosUnsafe: nanos,
    monotonicTimeNanos: Effect.sync(nanos),
    sleep: (duration) => {
      const ms = Duration.toMillis(duration)
      return ms > 2 * headsPollWideMs ? Effect.never : sleep(ms)
    }
  }
  return effect.pipe(
    Effect.provideService(Scheduler.Scheduler, scheduler),
    Effect.provideService(Clock.Clock, clock),
    Effect.provideService(Random.Random, { nextDoubleUnsafe: () => 0.5, nextIntUnsafe: () => 0 })
  )
}
