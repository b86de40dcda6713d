import { Clock, Effect, Result, type Scope } from "effect"
import { inBackground, keepRunning } from "../background.ts"
import { Unavailable } from "../failure.ts"
import { clockCheckMs, clockOffMsMax, storeAskMsMax } from "../limits.ts"
import type { EventStore } from "../ports/EventStore.ts"

type Store = EventStore["Service"]

/**
 * A store that many gateways share, as one of them may use it: times of events are the gateway's, and one whose clock
 * is off would push those of a whole domain ahead. It commits nothing then, and is not ready, but reads.
 */
export const clockGuarded = Effect.fnUntraced(function* (
  store: Store,
  storeMillis: Effect.Effect<number, Unavailable>
): Effect.fn.Return<Store, Unavailable, Scope.Scope> {
  let isOff = false
  const check = Effect.gen(function* () {
    const before = yield* Clock.currentTimeMillis
    const theirs = yield* storeMillis
    const after = yield* Clock.currentTimeMillis
    // They looked at their clock at some moment in between.
    isOff = before - theirs > clockOffMsMax || theirs - after > clockOffMsMax
  })
  yield* check
  const again = inBackground("clock-guard", Effect.timeoutOption(check, storeAskMsMax))
  yield* keepRunning("clock-guard", Effect.andThen(Effect.sleep(clockCheckMs), again))
  return {
    ...store,
    commit: (units, told) =>
      Effect.suspend(() => (isOff ? Effect.succeed(units.map(() => Result.fail(off))) : store.commit(units, told))),
    movedSince: (mark) =>
      Effect.suspend(() => (isOff && mark === undefined ? Effect.fail(off) : store.movedSince(mark)))
  }
})

const off = new Unavailable({ message: "the clock of this gateway is off; try another one" })
