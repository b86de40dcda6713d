import { Clock, Deferred, Effect, Option, Result, type Scope } from "effect"
import { away, type Unavailable } from "./failure.ts"
import { storeAskMsMax, storeQuietCheckMs, storeQuietMs } from "./limits.ts"
import type { EventStore } from "./ports/EventStore.ts"

type Store = EventStore["Service"]

/**
 * A store beyond a network, as calls may use it: one that says nothing any more must not hold up each of them for as
 * long as a connection may be silent. Where calls are under way and nothing has come back for a while, it is asked
 * something easy, twice; if that is not answered either, reads are given up and every call is refused at once, until an
 * answer comes. Commits that are under way are not given up, for they may have written.
 */
export const silenceGuarded = Effect.fnUntraced(function* (
  store: Store,
  ask: Effect.Effect<unknown, Unavailable>
): Effect.fn.Return<Store, never, Scope.Scope> {
  const clock = yield* Clock.Clock
  /** When the first call was made that nothing has come back after. */
  let quietSince: number | undefined
  let isAway = false
  let gone = Deferred.makeUnsafe<never, Unavailable>()

  const called = () => {
    quietSince ??= clock.currentTimeMillisUnsafe()
  }
  const heard = () => {
    quietSince = undefined
  }

  const answer = Effect.timeoutOption(ask, storeAskMsMax).pipe(
    Effect.map(Option.isSome),
    Effect.catchCause(() => Effect.succeed(false))
  )
  const look = Effect.gen(function* () {
    const isQuiet = quietSince !== undefined && clock.currentTimeMillisUnsafe() - quietSince >= storeQuietMs
    if (!isQuiet && !isAway) return
    // Of several servers one may be away, and the next be asked.
    const isThere = (yield* answer) || (yield* answer)
    if (isThere) heard()
    // It may have answered somebody else meanwhile.
    const wasAway = isAway
    isAway = !isThere && (isAway || quietSince !== undefined)
    if (isAway === wasAway) return
    yield* isAway ? Effect.logWarning("the store does not answer") : Effect.logInfo("the store answers again")
    if (isAway) Deferred.doneUnsafe(gone, Effect.fail(silent))
    else gone = Deferred.makeUnsafe()
  })
  yield* Effect.forkScoped(Effect.forever(Effect.andThen(Effect.sleep(storeQuietCheckMs), look)))

  const read = <A, E>(call: Effect.Effect<A, E>): Effect.Effect<A, E | Unavailable> =>
    Effect.suspend(() => {
      if (isAway) return Effect.fail(silent)
      called()
      const given = Effect.raceFirst(call, Deferred.await(gone))
      return Effect.tap(given, () => Effect.sync(heard))
    })

  return {
    ...store,
    commit: (units, told) =>
      Effect.suspend(() => {
        if (isAway) return Effect.succeed(units.map(() => Result.fail(silent)))
        called()
        return Effect.tap(store.commit(units, told), (results) =>
          Effect.sync(() => {
            if (results.some(Result.isSuccess)) heard()
          })
        )
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
