// Whatever a channel loses, repeats or reorders, and whenever the store is away: each event once, in order.

import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import fc from "fast-check"
import type { FeedStream } from "../../application/feed/feed.ts"
import { headsPollMs, headsPollWideMs } from "../../application/limits.ts"
import type { Announcement } from "../../application/ports/Channel.ts"
import { away, beginning, keysOf, leaving, numbered, open, resumingAfter, taken, World, write } from "./feed-world.ts"
import { range } from "./samples.ts"

const looked = TestClock.adjust(headsPollWideMs * 1.3)

describe("a channel", () => {
  it.effect("that loses everything makes streams late, by one look at the heads", () => {
    const world = new World()
    world.carry = () => []
    return Effect.gen(function* () {
      const stream = yield* open("d")
      for (const i of range(3)) {
        yield* write("d", numbered(700, i * 700))
        expect(yield* taken(stream)).toEqual([])
        yield* TestClock.adjust(headsPollMs * 1.3)
        expect(keysOf(yield* taken(stream))).toEqual(numbered(700, i * 700))
      }
    }).pipe(Effect.scoped, Effect.provide(world.layer))
  })

  it.effect("that skips some has the rest read at once", () => {
    const world = new World()
    return Effect.gen(function* () {
      yield* write("d", ["old"])
      const stream = yield* open("d")
      world.carry = () => []
      yield* write("d", numbered(1200))
      world.carry = (all) => all
      yield* write("d", ["heard"])
      expect(keysOf(yield* taken(stream))).toEqual([...numbered(1200), "heard"])
    }).pipe(Effect.scoped, Effect.provide(world.layer))
  })

  it.effect("that brings events while the store is asked for them brings each once", () => {
    const world = new World()
    const held: Array<Announcement> = []
    world.carry = (all) => {
      held.push(...all)
      return []
    }
    return Effect.gen(function* () {
      yield* write("d", ["old"])
      const stream = yield* open("d")
      yield* write("d", ["a", "b"])
      world.before = (call) =>
        Effect.sync(() => {
          if (call === "read") world.announce(held.slice(1, 2))
        })
      yield* looked
      expect(keysOf(yield* taken(stream))).toEqual(["a", "b"])
      expect(world.calls.read).toBe(1)
    }).pipe(Effect.scoped, Effect.provide(world.layer))
  })

  it.effect("that brings what is long gone by changes nothing", () => {
    const world = new World()
    const all: Array<Announcement> = []
    world.carry = (some) => {
      all.push(...some)
      return some
    }
    return Effect.gen(function* () {
      const stream = yield* open("d")
      yield* write("d", numbered(50))
      expect(keysOf(yield* taken(stream))).toEqual(numbered(50))
      world.announce([...all, ...all.toReversed()])
      expect(yield* taken(stream)).toEqual([])
      yield* write("d", ["next"])
      expect(keysOf(yield* taken(stream))).toEqual(["next"])
      expect(world.calls.heads).toBe(1)
    }).pipe(Effect.scoped, Effect.provide(world.layer))
  })
})

describe("a store that is away", () => {
  it.effect.each([
    ["is away", () => away],
    ["dies", () => Effect.die(new Error("bug"))],
    ["tells its heads and nothing else", (call: string) => (call === "movedSince" ? Effect.void : away)]
  ] as const)("%s while a gap is filled: the stream goes on once it is back", ([, fault]) => {
    const world = new World()
    return Effect.gen(function* () {
      yield* write("d", ["old"])
      const stream = yield* open("d")
      world.carry = (all) => all.slice(-1)
      world.before = fault
      yield* write("d", numbered(20))
      yield* looked
      expect(yield* taken(stream)).toEqual([])
      yield* looked
      world.before = () => Effect.void
      yield* looked
      expect(keysOf(yield* taken(stream))).toEqual(numbered(20))
    }).pipe(Effect.scoped, Effect.provide(world.layer))
  })

  it.effect("while a stream reads history ends it there; its cursor goes on", () => {
    const world = new World()
    return Effect.gen(function* () {
      yield* write("d", numbered(1500))
      const stream = yield* open("d", beginning)
      const first = yield* stream.pull
      world.before = () => away
      expect(yield* Effect.flip(stream.pull)).toMatchObject({ _tag: "Unavailable" })
      world.before = () => Effect.void
      const rest = yield* taken(yield* open("d", resumingAfter(first.at(-1)!.cursor)))
      expect([...keysOf(first), ...keysOf(rest)]).toEqual(numbered(1500))
    }).pipe(Effect.scoped, Effect.provide(world.layer))
  })
})

// What is done with an announcement; `keep` holds it back until some later one.
const fates = fc.constantFrom("pass", "pass", "lose", "twice", "keep", "old")
const steps = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      write: fc.constantFrom("a", "b", "ab"),
      count: fc.integer({ min: 1, max: 6 }),
      type: fc.constantFrom("t", "u")
    })
  },
  { weight: 2, arbitrary: fc.constant({ pull: true }) },
  { weight: 1, arbitrary: fc.constant({ reopen: true }) },
  { weight: 1, arbitrary: fc.constant({ look: true }) }
)

describe("any channel and any cuts", () => {
  const covers = fc.constantFrom("*", "a", "a*", "*/t", "?/u", "[ab]/t/[0-4]*", "*/*/*3")

  it("bring each event that a stream covers once, and those of a domain in order", async () => {
    let delivered = 0
    const property = fc.asyncProperty(
      covers,
      fc.array(steps, { minLength: 5, maxLength: 25 }),
      fc.infiniteStream(fates),
      fc.infiniteStream(fc.nat()),
      (globs, plan, fate, dice) => Effect.runPromise(run(globs, plan, fate, dice))
    )
    const run = (globs: string, plan: ReadonlyArray<object>, fate: Iterator<string>, dice: Iterator<number>) => {
      const world = new World()
      const kept: Array<Announcement> = []
      const said: Array<Announcement> = []
      world.carry = (all) =>
        all.flatMap((announcement) => {
          const what = fate.next().value
          const old = said[dice.next().value % (said.length || 1)]
          said.push(announcement)
          if (what === "lose") return []
          if (what === "twice") return [announcement, announcement]
          if (what === "old" && old !== undefined) return [announcement, old]
          if (what === "keep") kept.push(announcement)
          if (what === "keep") return []
          return [announcement, ...kept.splice(0)]
        })
      return Effect.gen(function* () {
        let next = 0
        yield* write("a", ["before"], "u")
        const seen: Array<readonly [domain: string, position: bigint]> = []
        const stays = yield* open(globs)
        const alsoSeen: typeof seen = []
        let cursor = stays.cursor
        const note = (into: typeof seen, stream: FeedStream, isCut: boolean) =>
          Effect.map(taken(stream), (items) => {
            // The caller may have been cut after any of them: what follows is not taken as seen.
            const count = isCut ? dice.next().value % (items.length + 1) : items.length
            for (const { event, cursor: reached } of items.slice(0, count)) {
              if (event !== undefined) into.push([event.entity.domain, event.position])
              if (into === seen) cursor = reached
            }
          })
        for (const step of [...plan, { look: true }]) {
          if ("write" in step) {
            const { write: domain, count, type } = step as { write: string; count: number; type: string }
            yield* write(domain, numbered(count, next), type)
            next += count
          } else if ("look" in step) {
            yield* looked
          } else if ("reopen" in step) {
            yield* leaving(Effect.flatMap(open(globs, resumingAfter(cursor)), (stream) => note(seen, stream, true)))
          } else {
            yield* note(alsoSeen, stays, false)
          }
        }
        yield* note(alsoSeen, stays, false)
        yield* leaving(Effect.flatMap(open(globs, resumingAfter(cursor)), (stream) => note(seen, stream, false)))
        for (const domain of ["a", "b", "ab"]) {
          const all = yield* leaving(Effect.flatMap(open(globs, beginning), taken))
          const wanted = all.flatMap(({ event }) => (event?.entity.domain === domain ? [event.position] : []))
          const expected = wanted.filter((position) => domain !== "a" || position > 1n)
          for (const list of [seen, alsoSeen]) {
            expect(list.filter(([of]) => of === domain).map(([, position]) => position)).toEqual(expected)
          }
          delivered += expected.length
        }
      }).pipe(Effect.scoped, Effect.provide(world.layer), Effect.provide(TestClock.layer()))
    }
    await fc.assert(property, { numRuns: 60 })
    expect(delivered).toBeGreaterThan(200)
  })
})
