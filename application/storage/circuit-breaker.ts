import { Cause, Clock, Deferred, Effect, Exit, Option, Result, type Scope } from "effect"
import { keepRunning, reportDefects } from "../background.ts"
import { Defect, storeUnavailable, Unavailable } from "../failure.ts"
import { storeAskMsMax, storeQuietCheckMs, storeQuietMs } from "../limits.ts"
import { monotonicMillis } from "../monotonic.ts"
import type { BatchResult, EventStore } from "../ports/EventStore.ts"

type Store = EventStore["Service"]

/**
 * A store behind a circuit breaker, so that a silent server does not hold up each call until its connection times out.
 * The circuit opens when calls are in flight, none has completed for `storeQuietMs`, and two health checks fail as well.
 * Reads in flight fail then, and new calls fail at once, until a health check succeeds. Commits in flight go on, because
 * the server may have stored them.
 *
 * A server that refuses a request is there: `isServerReply` tells its replies from the lack of one.
 */
export const withCircuitBreaker = Effect.fnUntraced(function* (
  store: Store,
  healthCheck: Effect.Effect<unknown, Unavailable>,
  isServerReply: (cause: unknown) => boolean
): Effect.fn.Return<Store, never, Scope.Scope> {
  const clock = yield* Clock.Clock
  let callsInFlight = 0
  /** When a call completed last, or the first of those in flight began. */
  let lastProgressAt = 0
  let completed = 0
  let isOpen = false
  let opened = Deferred.makeUnsafe<never, Unavailable>()

  const onReply = Effect.suspend(() => {
    completed += 1
    lastProgressAt = monotonicMillis(clock)
    if (!isOpen) return Effect.void
    isOpen = false
    opened = Deferred.makeUnsafe()
    return Effect.logInfo("the store answers again")
  })
  const open = Effect.suspend(() => {
    isOpen = true
    Deferred.doneUnsafe(opened, Effect.fail(unavailable))
    return Effect.logWarning("the store does not answer")
  })

  const isHealthy = Effect.timeoutOption(healthCheck, storeAskMsMax).pipe(
    Effect.map(Option.isSome),
    Effect.catchCause((cause) => Effect.as(reportDefects("circuit-breaker", cause), isReply(cause, isServerReply)))
  )
  const check = Effect.gen(function* () {
    const isStalled = callsInFlight > 0 && monotonicMillis(clock) - lastProgressAt >= storeQuietMs
    if (!isStalled && !isOpen) return
    const before = completed
    // Twice, since the second may reach another server of a cluster.
    if ((yield* isHealthy) || (yield* isHealthy)) yield* onReply
    // A call may have completed meanwhile.
    else if (completed === before && !isOpen) yield* open
  })
  yield* keepRunning("circuit-breaker", Effect.andThen(Effect.sleep(storeQuietCheckMs), check))

  const tracked = <A, E>(call: Effect.Effect<A, E>, hasReply: (value: A) => boolean): Effect.Effect<A, E> => {
    if (callsInFlight === 0) lastProgressAt = monotonicMillis(clock)
    callsInFlight += 1
    return Effect.onExit(call, (exit) => {
      callsInFlight -= 1
      if (Exit.isSuccess(exit)) return hasReply(exit.value) ? onReply : Effect.void
      return Cause.hasDies(exit.cause) && isReply(exit.cause, isServerReply) ? onReply : Effect.void
    })
  }

  const read = <A, E>(call: Effect.Effect<A, E>): Effect.Effect<A, E | Unavailable> =>
    Effect.suspend(() => {
      if (isOpen) return Effect.fail(unavailable)
      return tracked(Effect.raceFirst(call, Deferred.await(opened)), () => true)
    })

  return {
    ...store,
    commit: (batches, onBatchCommitted) =>
      Effect.suspend(() => {
        if (isOpen) return Effect.succeed(batches.map(() => Result.fail(unavailable)))
        return tracked(store.commit(batches, onBatchCommitted), (results) => results.some(isAnswered))
      }),
    state: (ref) => read(store.state(ref)),
    version: (ref, version) => read(store.version(ref, version)),
    event: (ref, id) => read(store.event(ref, id)),
    entities: (search) => read(store.entities(search)),
    events: (search) => read(store.events(search)),
    read: (domain, after, limit) => read(store.read(domain, after, limit)),
    heads: (domains, limit) => read(store.heads(domains, limit)),
    movedSince: (changeToken) => read(store.movedSince(changeToken))
  }
})

const unavailable = storeUnavailable()

const isAnswered = (result: BatchResult): boolean => Result.isSuccess(result) || result.failure instanceof Defect

const isReply = (failed: Cause.Cause<unknown>, isServerReply: (cause: unknown) => boolean): boolean => {
  const failure = Cause.squash(failed)
  return isServerReply(failure instanceof Unavailable ? failure.cause : failure)
}
