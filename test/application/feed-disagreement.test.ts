// Heads that a store gives and what it lets read do not agree, for long: replicas that lag, a restore that is under way.
// The feed asks again at once, then less and less often, and goes on once they agree.

import { describe, expect, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { Backoff } from "../../application/backoff.ts"
import { feedRetryMs, feedRetryMsMax, headsPollWideMs } from "../../application/limits.ts"
import { beginning, keysOf, numbered, open, taken, World, write } from "./feed-world.ts"
import { settle } from "./gated-store.ts"

const minuteMs = 60_000
/** Reads of one who asks again after each pause of the greatest length that chance makes of it, and of the least. */
const fewest = Math.floor(minuteMs / (feedRetryMsMax * 1.25))
const most = Math.ceil(minuteMs / (feedRetryMsMax * 0.75)) + 10
/** A look at the heads asks as well, about once a second. */
const looks = 100

/** Moves the clock in small steps: between them, the event loop gets the turns that answers need. */
const passes = (ms: number) =>
  Effect.forEach(Array.from({ length: ms / 100 }), () => Effect.andThen(TestClock.adjust(100), settle), {
    discard: true
  })

describe("a store whose reads do not give what its heads tell", () => {
  it.effect("is asked less and less often by a stream that reads history", () => {
    const world = new World()
    return Effect.gen(function* () {
      yield* write("d", numbered(20))
      yield* write("e", ["other"])
      const stream = yield* open("?", beginning)
      world.readableTo = 5n
      // Domains that are whole are not held up.
      expect(keysOf(yield* taken(stream), "d")).toEqual(numbered(5))
      const pull = yield* Effect.forkChild(stream.pull, { startImmediately: true })
      yield* settle
      const atOnce = world.calls.read
      yield* settle
      expect(world.calls.read).toBe(atOnce)
      yield* write("e", ["next"])
      expect(keysOf(yield* Fiber.join(pull))).toEqual(["next"])
      const waiting = yield* Effect.forkChild(Effect.forever(stream.pull), { startImmediately: true })
      const before = world.calls.read
      yield* passes(minuteMs)
      // A page that holds the overlap alone is read once more, in up to three parts.
      expect(world.calls.read - before).toBeGreaterThan(fewest)
      expect(world.calls.read - before).toBeLessThan(3 * (most + looks))
      yield* Fiber.interrupt(waiting)
      world.readableTo = undefined
      yield* passes(2 * feedRetryMsMax)
      expect(keysOf(yield* taken(stream), "d")).toEqual(numbered(15, 5))
    }).pipe(Effect.scoped, Effect.provide(world.layer))
  })

  it.effect("is asked less and less often for what a tail is missing, however much is announced meanwhile", () => {
    const world = new World()
    return Effect.gen(function* () {
      yield* write("d", numbered(5))
      const stream = yield* open("d")
      world.readableTo = 5n
      // The channel loses one event, and nothing can be appended without it.
      world.carry = () => []
      yield* write("d", ["5"])
      world.carry = (all) => all
      yield* write("d", ["6"])
      yield* settle
      const atOnce = world.calls.read
      for (const key of numbered(50, 7)) yield* write("d", [key])
      expect(world.calls.read).toBe(atOnce)
      yield* passes(minuteMs)
      expect(world.calls.read - atOnce).toBeGreaterThan(fewest)
      expect(world.calls.read - atOnce).toBeLessThan(3 * (most + looks))
      world.readableTo = undefined
      yield* passes(2 * feedRetryMsMax)
      expect(keysOf(yield* taken(stream))).toEqual(numbered(52, 5))
    }).pipe(Effect.scoped, Effect.provide(world.layer))
  })

  it.effect("is not asked without a pause although each answer replaces the tail by that of another log", () => {
    const world = new World()
    return Effect.gen(function* () {
      const stream = yield* open("*")
      world.carry = () => []
      yield* write("d", numbered(5))
      yield* TestClock.adjust(headsPollWideMs * 1.3)
      yield* settle
      const first = world.memory
      world.swap()
      yield* write("d", numbered(5, 100))
      const second = world.memory
      let asked = 0
      world.before = (call) =>
        Effect.sync(() => {
          // Two answers from one log, then two from the other: each disproves the tail that the last one made.
          if (call === "heads") world.memory = asked++ % 4 < 2 ? second : first
        })
      const pull = yield* Effect.forkChild(stream.pull, { startImmediately: true })
      yield* settle
      const atOnce = asked
      expect(atOnce).toBeGreaterThan(2)
      yield* settle
      expect(asked).toBe(atOnce)
      yield* Fiber.interrupt(pull)
    }).pipe(Effect.scoped, Effect.provide(world.layer))
  })
})

it("the first retry is immediate, pauses double up to a limit, and begin anew after a while without", () => {
  const backoff = new Backoff({ firstMs: 0, baseMs: feedRetryMs, maxMs: feedRetryMsMax })
  const pauses = Array.from({ length: 9 }, () => backoff.next(0))
  expect(pauses).toEqual([0, 10, 20, 40, 80, 160, 320, 500, 500])
  expect(backoff.next(2 * feedRetryMsMax)).toBe(feedRetryMsMax)
  expect(backoff.next(4 * feedRetryMsMax + 1)).toBe(0)
})
