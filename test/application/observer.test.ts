// What the application tells whoever watches: counted when it happens, and read when somebody asks.

import { describe, expect, it } from "@effect/vitest"
import { Effect, Fiber, Layer } from "effect"
import { TestClock } from "effect/testing"
import { layer as inmem } from "../../adapters/channel/inmem/channel.ts"
import { MemoryStore } from "../../adapters/storage/memory/store.ts"
import { Committer } from "../../application/committer.ts"
import { OutcomeUnknown, type Unavailable } from "../../application/failure.ts"
import { Feed } from "../../application/feed/feed.ts"
import { readinessMs, readinessMsMax, rewoundMs, tailEventsMax } from "../../application/limits.ts"
import { type CommitRecord, Observer, type Watcher, watchers } from "../../application/observer.ts"
import { EventStore, type Moved } from "../../application/ports/EventStore.ts"
import { Readiness } from "../../application/readiness.ts"
import { away, beginning, numbered, open, taken, World, write } from "./feed-world.ts"
import { GatedStore, settle } from "./gated-store.ts"

const watching = () => {
  const counts: Record<string, number> = {}
  const commits: Array<CommitRecord> = []
  const reads: Record<string, () => number> = {}
  const watcher: Partial<Watcher> = {
    committed: (record) => void commits.push(record),
    counted: (what, by) => {
      counts[what] = (counts[what] ?? 0) + by
    },
    gauged: (what, read) => {
      reads[what] = read
    }
  }
  const layer = Layer.succeed(Observer, watchers(watcher, {}))
  return { counts, commits, read: (what: string) => reads[what]?.(), layer }
}

describe("the feed tells", () => {
  it.effect("what it delivers, and how many streams there are", () => {
    const world = new World()
    const { counts, read, layer } = watching()
    return Effect.gen(function* () {
      const stream = yield* open("d/t")
      yield* open("e")
      yield* write("d", ["a", "b"])
      yield* write("d", ["not asked for"], "other")
      yield* taken(stream)
      expect(counts).toEqual({ delivered: 2 })
      expect(read("streams")).toBe(2)
      expect(read("lag")).toBe(0)
      expect(read("tailBytes")).toBeGreaterThan(0)
    }).pipe(Effect.scoped, Effect.provide(Layer.provide(world.layer, layer)))
  })

  it.effect("what the channel did not bring, and how far it is behind meanwhile", () => {
    const world = new World()
    const { counts, read, layer } = watching()
    return Effect.gen(function* () {
      yield* write("d", ["old"])
      const stream = yield* open("d")
      world.carry = (all) => all.filter(({ event }) => event.position > 3n)
      world.before = (call) => (call === "read" ? away : Effect.void)
      yield* write("d", ["a", "b", "c"])
      expect(read("lag")).toBe(3)
      world.before = () => Effect.void
      yield* TestClock.adjust("8 seconds")
      yield* taken(stream)
      expect(read("lag")).toBe(0)
      expect(counts["backfills"]).toBeGreaterThan(0)
      expect(counts["delivered"]).toBe(3)
    }).pipe(Effect.scoped, Effect.provide(Layer.provide(world.layer, layer)))
  })

  it.effect("reads of the log for a stream that is further back than memory", () => {
    const world = new World()
    const { counts, layer } = watching()
    return Effect.gen(function* () {
      yield* write("d", numbered(10))
      yield* taken(yield* open("d", beginning))
      const read = counts["logReads"] ?? 0
      expect(read).toBeGreaterThan(0)
      const slow = yield* open("d")
      yield* write("d", numbered(tailEventsMax + 1))
      yield* taken(slow)
      expect(counts["logReads"]).toBeGreaterThan(read)
    }).pipe(Effect.scoped, Effect.provide(Layer.provide(world.layer, layer)))
  })

  it.effect("a log that went back in time", () => {
    const world = new World()
    const { counts, layer } = watching()
    return Effect.gen(function* () {
      yield* write("d", ["old"])
      yield* open("d")
      world.swap(new MemoryStore())
      yield* write("d", ["new"])
      yield* settle
      expect(counts["rewinds"]).toBe(1)
    }).pipe(Effect.scoped, Effect.provide(Layer.provide(world.layer, layer)))
  })
})

describe("the committer tells", () => {
  const job = (key: string) => ({
    domain: "d",
    commands: [
      {
        ref: { domain: "d", type: "t", key },
        change: { _tag: "Set" as const, values: {} },
        precondition: { _tag: "None" as const }
      }
    ],
    parts: false,
    claims: {}
  })

  it.effect("each commit, and what waits for the next", () => {
    const store = new GatedStore()
    const { commits, read, layer } = watching()
    const committer = Layer.provide(Committer.layer, [store.layer(), inmem, layer])
    return Effect.gen(function* () {
      const { submit } = yield* Committer
      store.gate.closeUnsafe()
      yield* Effect.forkChild(submit(job("first")), { startImmediately: true })
      yield* settle
      for (const key of ["a", "b", "c"]) yield* Effect.forkChild(submit(job(key)), { startImmediately: true })
      yield* settle
      expect(read("queuedJobs")).toBe(3)
      expect(read("queuedBytes")).toBeGreaterThan(0)
      store.gate.openUnsafe()
      yield* settle
      expect(read("queuedJobs")).toBe(0)
      expect(commits.map(({ events, failed }) => [events, failed])).toEqual([
        [1, false],
        [3, false]
      ])
      store.fault = GatedStore.refusing(new OutcomeUnknown({}))
      yield* Effect.flip(submit(job("lost")))
      expect(commits.at(-1)).toMatchObject({ events: 0, failed: true })
    }).pipe(Effect.provide(committer))
  })
})

describe("the gateway is ready", () => {
  const readiness = (movedSince: EventStore["Service"]["movedSince"]) => {
    const store = Layer.effect(
      EventStore,
      Effect.map(EventStore, (healthy) => ({ ...healthy, movedSince }))
    )
    const stored = Layer.provide(store, new GatedStore().layer())
    const feed = Layer.provide(Feed.layer, Layer.merge(stored, inmem))
    return Effect.provide(Layer.provide(Readiness.layer, Layer.merge(stored, feed)))
  }
  const moved = Effect.succeed<Moved>({ heads: [], mark: "" })

  it.effect("as long as its store answers, which is asked now and then", () => {
    let asked = 0
    let answer: Effect.Effect<Moved, Unavailable> = moved
    return Effect.gen(function* () {
      const { check } = yield* Readiness
      expect(yield* check).toEqual({ ready: true, store: "ok", gateway: "ok" })
      answer = away
      expect(yield* check).toMatchObject({ ready: true })
      expect(asked).toBe(1)
      yield* TestClock.adjust(readinessMs)
      const { message: reason } = yield* Effect.flip(away)
      expect(yield* check).toEqual({ ready: false, store: "unavailable", reason, gateway: "ok" })
      answer = moved
      yield* TestClock.adjust(readinessMs)
      expect(yield* check).toMatchObject({ ready: true })
    }).pipe(
      readiness(() =>
        Effect.suspend(() => {
          asked += 1
          return answer
        })
      )
    )
  })

  it.effect("but not while its store keeps silent", () =>
    Effect.gen(function* () {
      const { check } = yield* Readiness
      const asked = yield* Effect.forkChild(check, { startImmediately: true })
      yield* TestClock.adjust(readinessMsMax)
      expect(yield* Fiber.join(asked)).toMatchObject({ ready: false, store: "unavailable" })
    }).pipe(readiness(() => Effect.never))
  )

  it.effect("though a log went back in time, which it tells for a while", () => {
    const world = new World()
    const layer = Layer.provide(Layer.provideMerge(Readiness.layer, world.layer), new GatedStore().layer())
    return Effect.gen(function* () {
      const { check } = yield* Readiness
      yield* write("d", ["old"])
      const stream = yield* open("d")
      expect(yield* check).toEqual({ ready: true, store: "ok", gateway: "ok" })
      world.swap(new MemoryStore())
      yield* write("d", ["new"])
      yield* Effect.flip(stream.pull)
      yield* TestClock.adjust(rewoundMs - 1)
      expect(yield* check).toEqual({ ready: true, store: "ok", log: "rewound", gateway: "ok" })
      yield* TestClock.adjust(1)
      expect(yield* check).toEqual({ ready: true, store: "ok", gateway: "ok" })
    }).pipe(Effect.scoped, Effect.provide(layer))
  })

  it.effect("and a log that only a slow stream finds gone back is told as well", () => {
    const world = new World()
    world.carry = () => []
    const layer = Layer.provide(Layer.provideMerge(Readiness.layer, world.layer), new GatedStore().layer())
    return Effect.gen(function* () {
      const { check } = yield* Readiness
      yield* write("d", numbered(10))
      const stream = yield* open("d", beginning)
      world.swap()
      yield* write("d", numbered(20, 5000))
      yield* Effect.flip(stream.pull)
      expect(yield* check).toMatchObject({ ready: true, log: "rewound" })
    }).pipe(Effect.scoped, Effect.provide(layer))
  })

  it.effect("and never again once it drains", () =>
    Effect.gen(function* () {
      const { check, drain } = yield* Readiness
      yield* drain
      expect(yield* check).toEqual({ ready: false, store: "ok", gateway: "draining" })
    }).pipe(readiness(() => moved))
  )
})
