// Where streams start: cursors that are refused, domains that are too many, and what happens while a stream opens.

import { describe, expect, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { Committer } from "../../application/committer.ts"
import { heartbeatMs } from "../../application/limits.ts"
import { type Cursor, decodeCursor, encodeCursor, type StreamPosition, shortId } from "../../domain/cursor.ts"
import { away, beginning, keysOf, leaving, numbered, open, resumingAfter, taken, World, write } from "./feed-world.ts"
import { settle } from "./gated-store.ts"
import { range } from "./samples.ts"

/** A cursor like another, but for its mark in one domain. */
const altered = (encoded: string, domain: string, change: Partial<StreamPosition>) => {
  const cursor = decodeCursor(encoded) as Cursor
  const positions = new Map(cursor.positions).set(domain, { ...cursor.positions.get(domain)!, ...change })
  return resumingAfter(encodeCursor({ ...cursor, positions }))
}

describe("a cursor", () => {
  it.effect("of other globs is invalid, even where they match the same", () => {
    const world = new World()
    return Effect.gen(function* () {
      yield* write("d", ["a"])
      const { cursor } = yield* open("d")
      for (const covers of ["*", "?", "d/t", "d/*/a", "e"]) {
        expect(yield* Effect.flip(open(covers, resumingAfter(cursor)))).toMatchObject({
          _tag: "Invalid",
          violations: [{ field: "after" }]
        })
      }
    }).pipe(Effect.scoped, Effect.provide(world.layer))
  })

  it.effect("of a place that the log does not have is out of range", () => {
    const world = new World()
    return Effect.gen(function* () {
      yield* write("d", ["a", "b", "c"])
      const { cursor } = yield* open("d")
      yield* open("d", resumingAfter(cursor))
      yield* open("d", altered(cursor, "d", { position: 0n, eventId: "" }))
      const ids = world.memory.log("d").map(({ id }) => shortId(id))
      yield* open("d", altered(cursor, "d", { position: 2n, eventId: ids[1]! }))
      for (const change of [
        { position: 4n },
        { position: 2n ** 63n },
        { position: 2n },
        { eventId: ids[1]! },
        { incarnation: "0123456789abcdef" },
        { incarnation: "0123456789abcdef", position: 0n, eventId: "" }
      ]) {
        expect(yield* Effect.flip(open("d", altered(cursor, "d", change)))).toMatchObject({
          _tag: "OutOfRange",
          message: expect.stringContaining("rewound")
        })
      }
    }).pipe(Effect.scoped, Effect.provide(world.layer))
  })

  it.effect("of a domain that is gone, or another in its place, is out of range", () => {
    const world = new World()
    return Effect.gen(function* () {
      yield* write("d", ["a"])
      yield* write("e", ["a"])
      const { cursor } = yield* open("?")
      world.swap()
      yield* write("d", ["a"])
      expect(yield* Effect.flip(open("?", resumingAfter(cursor)))).toMatchObject({ _tag: "OutOfRange" })
      world.swap()
      expect(yield* Effect.flip(open("?", resumingAfter(cursor)))).toMatchObject({ _tag: "OutOfRange" })
    }).pipe(Effect.scoped, Effect.provide(world.layer))
  })

  it.effect("that does not list a domain is older than it: the domain is read whole", () => {
    const world = new World()
    return Effect.gen(function* () {
      const { cursor } = yield* open("*")
      yield* write("d", numbered(3))
      expect(keysOf(yield* taken(yield* open("*", resumingAfter(cursor))))).toEqual(numbered(3))
    }).pipe(Effect.scoped, Effect.provide(world.layer))
  })
})

describe("a time that is ahead", () => {
  const seconds = (count: number) => BigInt(count) * 1_000_000_000n

  it.effect("leaves out what is committed before it, in domains that are known, new, or read from the log", () => {
    const world = new World()
    return Effect.gen(function* () {
      yield* write("d", ["before"])
      const stream = yield* open("?", { _tag: "Since", time: seconds(10) })
      yield* write("d", ["early"])
      yield* write("e", ["early"])
      expect(yield* taken(stream)).toEqual([])
      yield* write("d", numbered(9_000))
      yield* TestClock.adjust("10 seconds")
      for (const domain of ["d", "e", "f"]) yield* write(domain, [`late in ${domain}`])
      const late: Array<string> = []
      // It steps over a long stretch in many turns.
      for (let turns = 0; turns < 100 && late.length < 3; turns++) late.push(...keysOf(yield* taken(stream)))
      expect(late.toSorted()).toEqual(["late in d", "late in e", "late in f"])
    }).pipe(Effect.scoped, Effect.provide(world.layer))
  })

  it.effect("holds for a stream that goes on from a cursor of the first, and its cursor", () => {
    const world = new World()
    return Effect.gen(function* () {
      let { cursor } = yield* leaving(open("?", { _tag: "Since", time: seconds(10) }))
      for (const _ of range(2)) {
        yield* write("d", ["early"])
        cursor = yield* leaving(Effect.map(open("?", resumingAfter(cursor)), (again) => again.cursor))
      }
      const stream = yield* open("?", resumingAfter(cursor))
      yield* write("e", ["early"])
      expect(yield* taken(stream)).toEqual([])
      yield* TestClock.adjust("10 seconds")
      yield* write("d", ["late"])
      const [late] = yield* taken(stream)
      expect(late?.event?.entity.key).toBe("late")
      // Once it has passed, cursors need not name it.
      const passed = yield* open("?", resumingAfter(late!.cursor))
      expect(resumingAfter(passed.cursor).cursor.since).toBeUndefined()
    }).pipe(Effect.scoped, Effect.provide(world.layer))
  })
})

describe("domains that are too many for a cursor", () => {
  const name = (i: number) => `domain-with-a-rather-long-name-${`${i}`.padStart(3, "0")}`
  const tooLarge = { _tag: "TooLarge", message: expect.stringContaining("narrow the domain") }

  it.effect("are refused when the stream opens", () => {
    const world = new World()
    return Effect.gen(function* () {
      yield* Effect.forEach(range(300), (i) => write(name(i), ["a"]))
      for (const start of [undefined, beginning]) expect(yield* Effect.flip(open("*", start))).toMatchObject(tooLarge)
      yield* open("*00?")
    }).pipe(Effect.scoped, Effect.provide(world.layer))
  })

  it.effect("end the stream when they join later, and no cursor is ever longer than it may be", () => {
    const world = new World()
    return Effect.gen(function* () {
      const wanted = yield* open("*")
      const unwanted = yield* open("*/nothing")
      yield* Effect.forEach(range(100), (i) => write(name(i), [`${i}`]))
      const seen: Array<string> = []
      const pulled = Effect.map(wanted.pull, (items) => {
        seen.push(...keysOf(items))
        for (const { cursor } of items) expect(cursor.length).toBeLessThanOrEqual(4096)
      })
      expect(yield* Effect.flip(Effect.forever(pulled))).toMatchObject(tooLarge)
      expect(seen).toEqual(numbered(seen.length))
      expect(seen.length).toBeGreaterThan(50)

      const silent = yield* Effect.forkChild(Effect.flip(unwanted.pull))
      for (const _ of range(10)) yield* settle // it steps over one domain at a time
      yield* TestClock.adjust(heartbeatMs)
      expect(yield* Fiber.join(silent)).toMatchObject(tooLarge)
    }).pipe(Effect.scoped, Effect.provide(world.layer))
  })
})

describe("what is committed while a stream opens", () => {
  // Before and behind every call that opening makes to the store.
  const moments = [
    ["movedSince", true],
    ["movedSince", false],
    ["heads", true],
    ["heads", false],
    ["read", true]
  ] as const

  it.effect.each(moments)("is delivered once, if it is behind the start cursor: %s, %s", ([call, isHeard]) => {
    const world = new World()
    return Effect.gen(function* () {
      const committer = yield* Committer
      const commit = (key: string) => Effect.provideService(write("d", [key]), Committer, committer)
      yield* write("d", ["old"])
      const old = yield* leaving(Effect.map(open("d"), ({ cursor }) => resumingAfter(cursor)))
      for (const start of [undefined, beginning, old]) {
        const before = world.memory.log("d").length
        let todo = 2
        world.carry = (all) => (isHeard ? all : [])
        world.before = (now) =>
          now === call && todo-- > 0 ? Effect.orDie(commit(`${start?._tag}-${todo}`)) : Effect.void
        const stream = yield* open("d", start)
        world.before = () => Effect.void
        world.carry = (all) => all
        yield* write("d", [`${start?._tag}-last`])
        const first = Number(resumingAfter(stream.cursor).cursor.positions.get("d")!.position)
        expect(first).toBeGreaterThanOrEqual(start === undefined ? before : 0)
        expect(keysOf(yield* taken(stream))).toEqual(world.keys("d").slice(first))
      }
    }).pipe(Effect.scoped, Effect.provide(world.layer))
  })

  it.effect("is not lost when the store is away at that moment: opening fails, and leaves nothing behind", () => {
    const world = new World()
    return Effect.gen(function* () {
      for (const call of ["movedSince", "heads"]) {
        world.before = (now) => (now === call ? away : Effect.void)
        expect(yield* Effect.flip(leaving(open("d")))).toMatchObject({ _tag: "Unavailable" })
      }
      world.before = () => Effect.void
      const { movedSince } = world.calls
      yield* TestClock.adjust("1 minute")
      expect(world.calls.movedSince).toBe(movedSince)
    }).pipe(Effect.scoped, Effect.provide(world.layer))
  })
})
