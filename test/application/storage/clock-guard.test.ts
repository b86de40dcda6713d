import { Clock, Effect, Exit, Result, type Scope } from "effect"
import { TestClock } from "effect/testing"
import { assert, test } from "vitest"
import { MemoryStore, port } from "../../../adapters/storage/memory/store.ts"
import { Unavailable } from "../../../application/failure.ts"
import { clockCheckMs, clockOffMsMax, storeAskMsMax } from "../../../application/limits.ts"
import { withClockGuard } from "../../../application/storage/clock-guard.ts"
import { draftBatch, refIn } from "../../contract/event-store/writing.ts"

/** How far the store's clock is ahead of the gateway's; undefined while it cannot be asked. */
interface Store {
  ahead: number | undefined
}

const away = new Unavailable({ message: "the store is away" })

const guarded = (store: Store) =>
  withClockGuard(
    port(new MemoryStore()),
    Effect.flatMap(Clock.currentTimeMillis, (now) =>
      store.ahead === undefined ? Effect.fail(away) : Effect.succeed(now + store.ahead)
    )
  )

type Guarded = Effect.Success<ReturnType<typeof guarded>>

/** Whether the gateway may commit, and says that it is ready. It reads in any case. */
const mayGoOn = Effect.fnUntraced(function* ({ commit, movedSince, state }: Guarded) {
  const [result] = yield* commit([draftBatch("shop", [{ key: "a" }]).batch])
  const ready = yield* Effect.exit(movedSince(undefined))
  yield* movedSince("0")
  yield* state(refIn("shop", "a"))
  assert.strictEqual(Result.isSuccess(result!), Exit.isSuccess(ready))
  return Exit.isSuccess(ready)
})

const run = <A, E>(effect: Effect.Effect<A, E, Scope.Scope>) =>
  Effect.runPromise(Effect.provide(Effect.scoped(effect), TestClock.layer()))

test.each([clockOffMsMax, -clockOffMsMax, clockOffMsMax + 1, -clockOffMsMax - 1, 3_600_000])(
  "a gateway commits only with a clock like its store's: %d ms apart",
  (ahead) =>
    run(
      Effect.gen(function* () {
        assert.strictEqual(yield* mayGoOn(yield* guarded({ ahead })), Math.abs(ahead) <= clockOffMsMax)
      })
    )
)

test("a clock that goes wrong is noticed, one that is mended too, and while nobody can tell nothing changes", () =>
  run(
    Effect.gen(function* () {
      const store: Store = { ahead: 0 }
      const service = yield* guarded(store)
      const after = Effect.fnUntraced(function* (ahead: number | undefined) {
        store.ahead = ahead
        yield* TestClock.adjust(clockCheckMs)
        return yield* mayGoOn(service)
      })
      assert.isTrue(yield* after(0))
      assert.isTrue(yield* after(undefined))
      assert.isFalse(yield* after(10_000))
      assert.isFalse(yield* after(undefined))
      assert.isTrue(yield* after(1))
    })
  ))

test("how long the store takes to tell the time is not held against the gateway", () =>
  run(
    Effect.gen(function* () {
      const slowly = Effect.gen(function* () {
        yield* TestClock.adjust(2_000)
        const told = yield* Clock.currentTimeMillis
        yield* TestClock.adjust(2_000)
        return told
      })
      assert.isTrue(yield* mayGoOn(yield* withClockGuard(port(new MemoryStore()), slowly)))
    })
  ))

test("a question that goes wrong is not the last one", () =>
  run(
    Effect.gen(function* () {
      let asked = 0
      const brokenOnce = Effect.flatMap(Clock.currentTimeMillis, (now) =>
        ++asked === 2 ? Effect.die("a mistake") : Effect.succeed(asked === 1 ? now : now + 10_000)
      )
      const service = yield* withClockGuard(port(new MemoryStore()), brokenOnce)
      yield* TestClock.adjust(2 * clockCheckMs)
      assert.isFalse(yield* mayGoOn(service))
    })
  ))

test("a question that gets lost is not waited for: the next one is asked", () =>
  run(
    Effect.gen(function* () {
      let asked = 0
      const lostOnce = Effect.flatMap(Clock.currentTimeMillis, (now) =>
        ++asked === 2 ? Effect.never : Effect.succeed(asked === 1 ? now : now + 10_000)
      )
      const service = yield* withClockGuard(port(new MemoryStore()), lostOnce)
      yield* TestClock.adjust(clockCheckMs)
      assert.isTrue(yield* mayGoOn(service))
      yield* TestClock.adjust(clockCheckMs + storeAskMsMax)
      assert.isFalse(yield* mayGoOn(service))
    })
  ))
