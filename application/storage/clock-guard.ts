import { Clock, Effect, Result, type Scope } from "effect"
import { inBackground, keepRunning } from "../background.ts"
import { Unavailable } from "../failure.ts"
import { clockCheckMs, clockOffMsMax, storeAskMsMax } from "../limits.ts"
import type { EventStore } from "../ports/EventStore.ts"

type Store = EventStore["Service"]

/**
 * A store that gateways share, guarded against clock skew: events get the times of the gateway that commits them, and
 * one clock that is ahead would push the times of a whole domain ahead. While this gateway's clock is off the store's by
 * more than `clockOffMsMax`, it commits nothing and is not ready, but reads.
 */
export const withClockGuard = Effect.fnUntraced(function* (
  store: Store,
  storeMillis: Effect.Effect<number, Unavailable>
): Effect.fn.Return<Store, Unavailable, Scope.Scope> {
  let isOff = false
  const check = Effect.gen(function* () {
    const before = yield* Clock.currentTimeMillis
    const theirs = yield* storeMillis
    const after = yield* Clock.currentTimeMillis
    // The store read its clock at some moment in between.
    isOff = before - theirs > clockOffMsMax || theirs - after > clockOffMsMax
  })
  yield* check
  const again = inBackground("clock-guard", Effect.timeoutOption(check, storeAskMsMax))
  yield* keepRunning("clock-guard", Effect.andThen(Effect.sleep(clockCheckMs), again))
  return {
    ...store,
    commit: (batches, onBatchCommitted) =>
      Effect.suspend(() =>
        isOff ? Effect.succeed(batches.map(() => Result.fail(skewed))) : store.commit(batches, onBatchCommitted)
      ),
    movedSince: (changeToken) =>
      Effect.suspend(() => (isOff && changeToken === undefined ? Effect.fail(skewed) : store.movedSince(changeToken)))
  }
})

const skewed = new Unavailable({ message: "the clock of this gateway is off; try another one" })
