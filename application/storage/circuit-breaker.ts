import { Cause, Clock, Deferred, Effect, Exit, Option, Result, type Scope } from "effect"
import { keepRunning, reportDefects } from "../background.ts"
import { away, Defect, Unavailable } from "../failure.ts"
import { storeAskMsMax, storeQuietCheckMs, storeQuietMs } from "../limits.ts"
import { monotonicMillis } from "../monotonic.ts"
import type { Committed, EventStore } from "../ports/EventStore.ts"

type Store = EventStore["Service"]

/**
 * A store beyond a network, as calls may use it: one that says nothing any more must not hold up each of them for as
 * long as a connection may be silent. Where calls are under way and nothing has come back for a while, it is asked
 * something easy, twice; if that is not answered either, reads are given up and every call is refused at once, until an
 * answer comes. Commits that are under way are not given up, for they may have written.
 *
 * A question that is refused is answered: `isSaid` tells by what it failed with whether those were words of a server.
 */
export const silenceGuarded = Effect.fnUntraced(function* (
  store: Store,
  ask: Effect.Effect<unknown, Unavailable>,
  isSaid: (cause: unknown) => boolean
): Effect.fn.Return<Store, never, Scope.Scope> {
  const clock = yield* Clock.Clock
  /** Calls that nothing has come back of, and since when nothing came back of any. */
  let underWay = 0
  let quietSince = 0
  /** How often something came back. */
  let answers = 0
  let isAway = false
  let gone = Deferred.makeUnsafe<never, Unavailable>()

  const heard = Effect.suspend(() => {
    answers += 1
    quietSince = monotonicMillis(clock)
    if (!isAway) return Effect.void
    isAway = false
    gone = Deferred.makeUnsafe()
    return Effect.logInfo("the store answers again")
  })
  const lost = Effect.suspend(() => {
    isAway = true
    Deferred.doneUnsafe(gone, Effect.fail(silent))
    return Effect.logWarning("the store does not answer")
  })

  const answer = Effect.timeoutOption(ask, storeAskMsMax).pipe(
    Effect.map(Option.isSome),
    Effect.catchCause((cause) => Effect.as(reportDefects("circuit-breaker", cause), causedBy(cause, isSaid)))
  )
  const look = Effect.gen(function* () {
    const isQuiet = underWay > 0 && monotonicMillis(clock) - quietSince >= storeQuietMs
    if (!isQuiet && !isAway) return
    const before = answers
    // Of several servers one may be away, and the next be asked.
    if ((yield* answer) || (yield* answer)) yield* heard
    // A call may have been answered meanwhile.
    else if (answers === before && !isAway) yield* lost
  })
  yield* keepRunning("circuit-breaker", Effect.andThen(Effect.sleep(storeQuietCheckMs), look))

  /** A call that is under way until it ends, and was answered if it ends so. */
  const watched = <A, E>(call: Effect.Effect<A, E>, isAnswer: (value: A) => boolean): Effect.Effect<A, E> => {
    if (underWay === 0) quietSince = monotonicMillis(clock)
    underWay += 1
    return Effect.onExit(call, (exit) => {
      underWay -= 1
      if (Exit.isSuccess(exit)) return isAnswer(exit.value) ? heard : Effect.void
      // A server that refuses what it was sent is there.
      return Cause.hasDies(exit.cause) && causedBy(exit.cause, isSaid) ? heard : Effect.void
    })
  }

  const read = <A, E>(call: Effect.Effect<A, E>): Effect.Effect<A, E | Unavailable> =>
    Effect.suspend(() => {
      if (isAway) return Effect.fail(silent)
      return watched(Effect.raceFirst(call, Deferred.await(gone)), () => true)
    })

  return {
    ...store,
    commit: (units, told) =>
      Effect.suspend(() => {
        if (isAway) return Effect.succeed(units.map(() => Result.fail(silent)))
        return watched(store.commit(units, told), (results) => results.some(isAnswered))
      }),
    state: (ref) => read(store.state(ref)),
    version: (ref, version) => read(store.version(ref, version)),
    event: (ref, id) => read(store.event(ref, id)),
    entities: (search) => read(store.entities(search)),
    events: (search) => read(store.events(search)),
    read: (domain, after, limit) => read(store.read(domain, after, limit)),
    heads: (domains, limit) => read(store.heads(domains, limit)),
    movedSince: (mark) => read(store.movedSince(mark))
  }
})

const silent = away()

const isAnswered = (result: Committed): boolean => Result.isSuccess(result) || result.failure instanceof Defect

const causedBy = (failed: Cause.Cause<unknown>, isSaid: (cause: unknown) => boolean): boolean => {
  const failure = Cause.squash(failed)
  return isSaid(failure instanceof Unavailable ? failure.cause : failure)
}
