// The log under an open stream goes back in time. The stream ends and says so: never silence, never events of another log.

import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import { MemoryStore } from "../../adapters/storage/memory/store.ts"
import type { FeedStream } from "../../application/feed/feed.ts"
import type { Announcement } from "../../application/ports/Channel.ts"
import { beginning, keysOf, numbered, open, taken, World, write } from "./feed-world.ts"

const rewound = { _tag: "LogRewound", message: expect.stringContaining("domain d was rewound") }
const looked = TestClock.adjust("8 seconds")

/** What a failover with loss leaves: the same log, without its end, last moved by the commit of a number. */
class Cut extends MemoryStore {
  constructor(from: MemoryStore, domain: string, length: number, commit = 1) {
    super()
    const log = from.log(domain).slice(0, length)
    const { incarnation } = from.heads().find((head) => head.domain === domain)!
    const made = {
      name: domain,
      incarnation,
      log: [],
      states: new Map(),
      histories: new Map(),
      calls: new Map(),
      moved: commit
    }
    this.domains.set(domain, made)
    this.commits = commit
    for (const event of log) this.append(made, event)
  }
}

/** All that the stream brings until it ends, and its end. */
const ending = Effect.fnUntraced(function* (stream: FeedStream) {
  const seen: Array<string> = []
  const pulled = Effect.map(stream.pull, (items) => void seen.push(...keysOf(items)))
  const end = yield* Effect.flip(Effect.forever(pulled))
  return { seen, end }
})

describe("another log in the place of the first", () => {
  it.effect.each(["d", "*"])("is told by its first announcement: %s", (covers) => {
    const world = new World()
    return Effect.gen(function* () {
      yield* write("d", ["old"])
      const stream = yield* open(covers)
      world.swap()
      yield* write("d", ["wrong", "wrong too"])
      expect(yield* ending(stream)).toEqual({ seen: [], end: expect.objectContaining(rewound) })
    }).pipe(Effect.scoped, Effect.provide(world.layer))
  })

  it.effect.each(["d", "*"])("is found by the next look, when nothing is heard: %s", (covers) => {
    const world = new World()
    return Effect.gen(function* () {
      yield* write("d", ["old"])
      const stream = yield* open(covers)
      world.carry = () => []
      world.swap()
      yield* write("d", ["wrong"])
      yield* looked
      expect(yield* ending(stream)).toEqual({ seen: [], end: expect.objectContaining(rewound) })
    }).pipe(Effect.scoped, Effect.provide(world.layer))
  })

  it.effect("is not there because one look among those at all domains says so: the domain itself is asked", () => {
    const world = new World()
    return Effect.gen(function* () {
      yield* write("d", ["a"])
      yield* write("d", ["b"])
      const stream = yield* open("d", beginning)
      expect(keysOf(yield* taken(stream))).toEqual(["a", "b"])
      const whole = world.memory
      const cut = new Cut(whole, "d", 1, 10)
      world.before = (call) =>
        Effect.sync(() => {
          world.memory = call === "movedSince" ? cut : whole
        })
      yield* looked
      world.before = () => Effect.void
      world.memory = whole
      yield* write("d", ["c"])
      expect(keysOf(yield* taken(stream))).toEqual(["c"])
    }).pipe(Effect.scoped, Effect.provide(world.layer))
  })

  it.effect("is noticed by a stream that was still reading the first, on its next page", () => {
    const world = new World()
    world.carry = () => []
    return Effect.gen(function* () {
      yield* write("d", numbered(1500))
      const stream = yield* open("d", beginning)
      const first = keysOf(yield* stream.pull)
      expect(first).toEqual(numbered(first.length))
      expect(first.length).toBeLessThan(1500)
      world.swap()
      yield* write("d", numbered(3000, 5000))
      expect(yield* ending(stream)).toEqual({ seen: [], end: expect.objectContaining(rewound) })
    }).pipe(Effect.scoped, Effect.provide(world.layer))
  })

  it.effect("is noticed by a stream that had not begun to read", () => {
    const world = new World()
    world.carry = () => []
    return Effect.gen(function* () {
      yield* write("d", numbered(10))
      const stream = yield* open("d", beginning)
      world.swap()
      yield* write("d", numbered(20, 5000))
      expect(yield* ending(stream)).toEqual({ seen: [], end: expect.objectContaining(rewound) })
    }).pipe(Effect.scoped, Effect.provide(world.layer))
  })

  it.effect("is noticed even where it is no log at all", () => {
    const world = new World()
    return Effect.gen(function* () {
      yield* write("d", ["old"])
      const stream = yield* open("d")
      world.swap()
      yield* looked
      expect(yield* ending(stream)).toEqual({ seen: [], end: expect.objectContaining(rewound) })
    }).pipe(Effect.scoped, Effect.provide(world.layer))
  })

  it.effect("ends the streams of its domain alone, and can be streamed from anew", () => {
    const world = new World()
    return Effect.gen(function* () {
      yield* write("d", ["old"])
      yield* write("e", ["old"])
      const [stream, other] = [yield* open("d"), yield* open("e")]
      world.swap(new Cut(world.memory, "e", 1))
      yield* write("d", ["new"])
      expect((yield* ending(stream)).end).toMatchObject(rewound)
      expect(keysOf(yield* taken(yield* open("d", beginning)))).toEqual(["new"])
      yield* write("e", ["next"])
      expect(keysOf(yield* taken(other))).toEqual(["next"])
    }).pipe(Effect.scoped, Effect.provide(world.layer))
  })
})

describe("a domain whose log was gone and is there again", () => {
  it.effect("is streamed to those that came while it was gone", () => {
    const world = new World()
    return Effect.gen(function* () {
      // Nobody pulls this one, so it has seen nothing of what is gone, and goes on.
      yield* open("*")
      yield* write("d", ["gone"])
      world.swap()
      yield* looked
      const stream = yield* open("*")
      yield* write("d", ["new"])
      expect(keysOf(yield* taken(stream))).toEqual(["new"])
    }).pipe(Effect.scoped, Effect.provide(world.layer))
  })
})

describe("the same log without its end", () => {
  const said: Array<Announcement> = []
  it.effect.each([
    ["nothing follows", 0],
    ["one event follows, where another was", 1],
    ["as many follow as were lost", 2],
    ["more follow than were lost", 5]
  ] as const)("is noticed when %s, heard or not", ([, following]) =>
    Effect.gen(function* () {
      for (const isHeard of [true, false]) {
        for (const hasSeenAny of [true, false]) {
          const world = new World()
          yield* Effect.gen(function* () {
            yield* write("d", numbered(hasSeenAny ? 2 : 6))
            const stream = yield* open("d")
            if (hasSeenAny) yield* write("d", numbered(4, 2))
            expect(keysOf(yield* taken(stream))).toEqual(hasSeenAny ? numbered(4, 2) : [])
            world.swap(new Cut(world.memory, "d", 4))
            world.carry = (all) => (isHeard ? all : [])
            if (following > 0) yield* write("d", numbered(following, 9000))
            yield* looked
            expect(yield* ending(stream)).toEqual({ seen: [], end: expect.objectContaining(rewound) })
          }).pipe(Effect.scoped, Effect.provide(world.layer))
        }
      }
    })
  )

  it.effect("is not taken for rewound because of what is still said of a log that is gone", () => {
    const world = new World()
    world.carry = (all) => {
      said.push(...all)
      return all
    }
    return Effect.gen(function* () {
      yield* write("d", numbered(5))
      world.swap()
      yield* write("d", numbered(3))
      const stream = yield* open("d")
      world.announce(said.slice(0, 5))
      yield* write("d", ["next"])
      expect(keysOf(yield* taken(stream))).toEqual(["next"])
    }).pipe(Effect.scoped, Effect.provide(world.layer))
  })
})
