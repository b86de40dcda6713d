// What a store answers is compared with what was known before it was asked, whatever has come meanwhile.

import { describe, expect, it } from "@effect/vitest"
import { Effect, Latch } from "effect"
import { TestClock } from "effect/testing"
import { Feed } from "../../application/feed/feed.ts"
import { headsPollMs } from "../../application/limits.ts"
import type { Announcement } from "../../application/ports/Channel.ts"
import { keysOf, open, taken, World, write } from "./feed-world.ts"
import { settle } from "./gated-store.ts"

/** Keeps announcements back, so that a test may let through those it wants, when it wants. */
const holdBack = (world: World): Array<Announcement> => {
  const held: Array<Announcement> = []
  world.carry = (all) => {
    held.push(...all)
    return []
  }
  return held
}

describe("a stream", () => {
  it.effect("goes on where an event is announced while the store is read for it and the next", () => {
    const world = new World()
    return Effect.gen(function* () {
      yield* write("d", ["1"])
      const stream = yield* open("d")
      const held = holdBack(world)
      yield* write("d", ["2", "3"])
      const answers = yield* Latch.make(false)
      world.before = (call) => (call === "read" ? answers.await : Effect.void)
      // A look at the heads tells of 3, and the store is asked for what is behind 1.
      yield* TestClock.adjust(headsPollMs * 1.3)
      yield* settle
      expect(world.calls.read).toBe(1)
      world.announce(held.slice(0, 1))
      yield* settle
      yield* answers.open
      expect(keysOf(yield* taken(stream))).toEqual(["2", "3"])
      expect(yield* (yield* Feed).rewoundLately).toBe(false)
    }).pipe(Effect.scoped, Effect.provide(world.layer))
  })

  it.effect("keeps what was announced while the store was read, where the answer ends before it", () => {
    const world = new World()
    return Effect.gen(function* () {
      yield* write("d", ["1"])
      const stream = yield* open("d")
      const held = holdBack(world)
      yield* write("d", ["2"])
      const answers = yield* Latch.make(false)
      world.before = (call) => (call === "read" ? answers.await : Effect.void)
      yield* TestClock.adjust(headsPollMs * 1.3)
      yield* settle
      yield* write("d", ["3"])
      world.announce(held)
      yield* settle
      world.readableTo = 2n
      yield* answers.open
      expect(keysOf(yield* taken(stream))).toEqual(["2", "3"])
      // Had the tail gone back to 2, the store would be read again for 3.
      expect(world.calls.read).toBe(1)
    }).pipe(Effect.scoped, Effect.provide(world.layer))
  })

  it.effect("goes on where an event is announced while a head from before it is under way", () => {
    const world = new World()
    return Effect.gen(function* () {
      yield* write("d", ["1"])
      const stream = yield* open("d")
      const answers = yield* Latch.make(false)
      world.after = (call) => (call === "heads" ? answers.await : Effect.void)
      const { heads, read } = world.calls
      yield* TestClock.adjust(headsPollMs * 1.3)
      yield* settle
      expect(world.calls.heads).toBe(heads + 1)
      yield* write("d", ["2"])
      yield* answers.open
      yield* settle
      expect(keysOf(yield* taken(stream))).toEqual(["2"])
      expect(yield* (yield* Feed).rewoundLately).toBe(false)
      // Had the tail gone back to 1, the log would be looked into.
      expect(world.calls.read).toBe(read)
    }).pipe(Effect.scoped, Effect.provide(world.layer))
  })

  it.effect("hears of another log in the place of its own from the first announcement of it", () => {
    const world = new World()
    return Effect.gen(function* () {
      yield* write("d", ["1", "2"])
      const stream = yield* open("d")
      yield* write("d", ["3"])
      expect(keysOf(yield* taken(stream))).toEqual(["3"])
      world.swap()
      yield* write("d", ["a", "b", "c", "d"])
      // No time has passed, so that nobody has looked at the heads.
      expect(yield* Effect.flip(stream.pull)).toMatchObject({ _tag: "LogRewound" })
    }).pipe(Effect.scoped, Effect.provide(world.layer))
  })
})
