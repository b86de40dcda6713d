import { describe, expect, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Latch, Result } from "effect"
import { TestClock } from "effect/testing"
import { MemoryStore, port } from "../../../adapters/storage/memory/store.ts"
import { storeUnavailable } from "../../../application/failure.ts"
import { storeAskMsMax, storeQuietCheckMs, storeQuietMs } from "../../../application/limits.ts"
import type { Batch } from "../../../application/ports/EventStore.ts"
import { withCircuitBreaker } from "../../../application/storage/circuit-breaker.ts"
import { combineTelemetry, Telemetry } from "../../../application/telemetry.ts"
import { globOf, searchOf } from "../../contract/event-store/searching.ts"
import { draftBatch, refIn } from "../../contract/event-store/writing.ts"

const refused = storeUnavailable()
const ref = refIn("shop", "a")
/** What is always answered. */
const answered = refIn("shop", "b")
const noticedMs = storeQuietMs + 2 * (storeAskMsMax + storeQuietCheckMs)

/** A store that can be made to say nothing to calls, and nothing to questions, each for itself. */
const world = Effect.gen(function* () {
  const calls = Latch.makeUnsafe(true)
  const questions = Latch.makeUnsafe(true)
  const memory = port(new MemoryStore())
  let asked = 0
  let fails: string | undefined
  let isDying = false
  const heard = <A, E>(call: Effect.Effect<A, E>) => Effect.andThen(calls.await, call)
  const slow: typeof memory = {
    ...memory,
    commit: (batches: ReadonlyArray<Batch>) => heard(memory.commit(batches)),
    state: (one) => {
      if (one.domain !== "shop") return Effect.die(one.domain)
      return one === answered ? memory.state(one) : heard(memory.state(one))
    },
    version: (one, version) => heard(memory.version(one, version)),
    event: (one, id) => heard(memory.event(one, id)),
    entities: (search) => heard(memory.entities(search)),
    events: (search) => heard(memory.events(search)),
    read: (domain, after, limit) => heard(memory.read(domain, after, limit)),
    heads: (domains, limit) => heard(memory.heads(domains, limit)),
    movedSince: (changeToken) => heard(memory.movedSince(changeToken))
  }
  const ask = Effect.suspend(() => {
    asked += 1
    const how = isDying ? Effect.die(fails) : fails === undefined ? Effect.void : Effect.fail(storeUnavailable(fails))
    return Effect.andThen(questions.await, how)
  })
  const store = yield* withCircuitBreaker(slow, ask, (cause) => cause === "words")
  const begun = <A, E>(call: Effect.Effect<A, E>) => Effect.forkChild(call, { startImmediately: true })
  const failing = (how: string) => {
    fails = how
  }
  const dying = (how: string) => {
    fails = how
    isDying = true
  }
  return { store, calls, questions, begun, failing, dying, asked: () => asked }
})

const commitTo = ({ commit }: Effect.Success<typeof world>["store"]) =>
  Effect.map(commit([draftBatch("shop", [{ key: "a" }]).batch]), ([result]) => result!)

describe("a store that falls silent", () => {
  it.effect("is found out about, and from then on no call waits for it", () =>
    Effect.gen(function* () {
      const { store, calls, questions, begun } = yield* world
      yield* calls.close
      yield* questions.close
      const reads = (): ReadonlyArray<Effect.Effect<unknown, unknown>> => [
        store.state(ref),
        store.version(ref, 1n),
        store.event(ref, "id"),
        store.entities(searchOf("shop", "thing", "entity")),
        store.events(searchOf("shop", "thing", "event")),
        store.read("shop", 0n, 1),
        store.heads(globOf("*"), 1),
        store.movedSince(undefined)
      ]
      const waiting = yield* Effect.forEach(reads(), begun)
      yield* TestClock.adjust(noticedMs)
      for (const fiber of waiting) expect(yield* Effect.flip(Fiber.join(fiber))).toEqual(refused)
      for (const read of reads()) expect(yield* Effect.flip(read)).toEqual(refused)
      expect(yield* commitTo(store)).toEqual(Result.fail(refused))
    })
  )

  it.effect("keeps the commit that it has, whose outcome counts", () =>
    Effect.gen(function* () {
      const { store, calls, questions, begun } = yield* world
      yield* calls.close
      yield* questions.close
      const commit = yield* begun(commitTo(store))
      yield* TestClock.adjust(noticedMs)
      expect(yield* commitTo(store)).toEqual(Result.fail(refused))
      yield* calls.open
      expect(Result.isSuccess(yield* Fiber.join(commit))).toBe(true)
    })
  )

  it.effect("is used again once it answers, and can fall silent again", () =>
    Effect.gen(function* () {
      const { store, calls, questions, begun } = yield* world
      for (let round = 0; round < 2; round++) {
        yield* calls.close
        yield* questions.close
        const lost = yield* begun(store.state(ref))
        yield* TestClock.adjust(noticedMs)
        expect(yield* Effect.flip(Fiber.join(lost))).toEqual(refused)
        yield* calls.open
        yield* questions.open
        yield* TestClock.adjust(storeQuietCheckMs + 2 * storeAskMsMax)
        expect(yield* store.state(ref)).toBeUndefined()
      }
    })
  )

  it.effect("is not one that is slow with some calls and answers others, or a question", () =>
    Effect.gen(function* () {
      const { store, calls, questions, begun, asked } = yield* world
      yield* calls.close
      const slow = yield* begun(store.state(ref))
      yield* TestClock.adjust(10 * noticedMs)
      expect(slow.pollUnsafe()).toBeUndefined()
      expect(asked()).toBeGreaterThan(0)
      // Answered meanwhile: nothing to ask about.
      yield* questions.close
      yield* calls.open
      yield* store.state(ref)
      const before = asked()
      yield* TestClock.adjust(10 * noticedMs)
      expect(asked()).toBe(before)
      expect(Exit.isSuccess(yield* Fiber.await(slow))).toBe(true)
    })
  )

  it.effect("is found out about by a call that others were answered before", () =>
    Effect.gen(function* () {
      const { store, calls, questions, begun } = yield* world
      yield* calls.close
      yield* questions.close
      const lost = yield* begun(store.state(ref))
      yield* store.state(answered)
      yield* TestClock.adjust(noticedMs)
      expect(yield* Effect.flip(Fiber.join(lost))).toEqual(refused)
    })
  )

  it.effect("is not one that answers calls while a question gets lost", () =>
    Effect.gen(function* () {
      const { store, calls, questions, begun } = yield* world
      yield* questions.close
      const another = Effect.andThen(calls.close, begun(store.state(ref)))
      yield* another
      yield* TestClock.adjust(storeQuietMs + storeAskMsMax)
      // One is answered, and the next waits already when the question is given up.
      yield* calls.open
      yield* Effect.yieldNow
      const slow = yield* another
      yield* TestClock.adjust(storeAskMsMax + storeQuietCheckMs)
      expect(slow.pollUnsafe()).toBeUndefined()
      yield* calls.open
      expect(yield* Fiber.join(slow)).toBeUndefined()
    })
  )

  it.effect("is not one that refuses a question in its own words, but one that cannot be reached", () =>
    Effect.gen(function* () {
      const { store, calls, begun, failing } = yield* world
      yield* calls.close
      failing("words")
      const slow = yield* begun(store.state(ref))
      yield* TestClock.adjust(10 * noticedMs)
      expect(slow.pollUnsafe()).toBeUndefined()
      failing("nobody there")
      yield* begun(store.state(ref))
      yield* TestClock.adjust(noticedMs)
      expect(yield* Effect.flip(Fiber.join(slow))).toEqual(refused)
      failing("words")
      yield* calls.open
      yield* TestClock.adjust(noticedMs)
      expect(yield* store.state(ref)).toBeUndefined()
    })
  )

  it.effect("is not one that refuses what it is asked: that is a bug, and an answer", () =>
    Effect.gen(function* () {
      const { store, calls, questions, begun, dying } = yield* world
      yield* calls.close
      dying("words")
      const slow = yield* begun(store.state(ref))
      yield* TestClock.adjust(10 * noticedMs)
      expect(slow.pollUnsafe()).toBeUndefined()
      yield* questions.close
      // A call that dies of the words of a server puts off the next question, one that dies of anything else does not.
      for (let i = 0; i < 10; i++) {
        yield* TestClock.adjust(storeQuietMs - 1)
        expect(Exit.isFailure(yield* Effect.exit(store.state(refIn("words", "a"))))).toBe(true)
      }
      expect(slow.pollUnsafe()).toBeUndefined()
      for (let i = 0; i < 10; i++) {
        yield* TestClock.adjust(storeQuietMs - 1)
        yield* Effect.exit(store.state(refIn("a bug", "a")))
      }
      expect(yield* Effect.flip(Fiber.join(slow))).toEqual(refused)
    }).pipe(Effect.provideService(Telemetry, combineTelemetry({})))
  )

  it.effect("is there again as soon as a commit ends that it had", () =>
    Effect.gen(function* () {
      const { store, calls, questions, begun } = yield* world
      yield* calls.close
      yield* questions.close
      const commit = yield* begun(commitTo(store))
      yield* TestClock.adjust(noticedMs)
      expect(yield* Effect.flip(store.state(ref))).toEqual(refused)
      yield* calls.open
      yield* Fiber.join(commit)
      expect((yield* store.state(ref))?.version).toBe(1n)
    })
  )

  it.effect("is not suspected while nobody wants anything of it", () =>
    Effect.gen(function* () {
      const { asked } = yield* world
      yield* TestClock.adjust(10 * noticedMs)
      expect(asked()).toBe(0)
    })
  )
})
