// The counters, gauges and commit measurements that the application reports.

import { describe, expect, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { TestClock } from "effect/testing"
import { layer as inmem } from "../../adapters/channel/inmem/channel.ts"
import { MemoryStore } from "../../adapters/storage/memory/store.ts"
import { Committer } from "../../application/committer.ts"
import { OutcomeUnknown } from "../../application/failure.ts"
import { tailEventsMax } from "../../application/limits.ts"
import { type CommitMeasurement, combineTelemetry, Telemetry } from "../../application/telemetry.ts"
import { away, beginning, leaving, numbered, open, taken, World, write } from "./feed-world.ts"
import { GatedStore, settle } from "./gated-store.ts"

const recording = () => {
  const counts: Record<string, number> = {}
  const commits: Array<CommitMeasurement> = []
  const reads: Record<string, () => number> = {}
  const recorder: Partial<Telemetry> = {
    recordCommit: (record) => void commits.push(record),
    count: (what, by) => {
      counts[what] = (counts[what] ?? 0) + by
    },
    registerGauge: (what, read) => {
      reads[what] = read
    }
  }
  const layer = Layer.succeed(Telemetry, combineTelemetry(recorder, {}))
  return { counts, commits, read: (what: string) => reads[what]?.(), layer }
}

describe("the feed reports", () => {
  it.effect("what it delivers, and how many streams there are", () => {
    const world = new World()
    const { counts, read, layer } = recording()
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
    const { counts, read, layer } = recording()
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
    const { counts, layer } = recording()
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

  it.effect("how far the slowest stream is behind", () => {
    const world = new World()
    const { read, layer } = recording()
    return Effect.gen(function* () {
      expect(read("slowest")).toBe(0)
      yield* write("d", numbered(10))
      yield* write("e", numbered(5))
      const quick = yield* open("d")
      expect(read("slowest")).toBe(0)
      const slow = yield* open("*", beginning)
      expect(read("slowest")).toBe(15)
      yield* write("d", numbered(3, 10))
      expect(read("slowest")).toBe(18)
      yield* taken(slow)
      expect(read("slowest")).toBe(3)
      yield* taken(quick)
      expect(read("slowest")).toBe(0)
      yield* leaving(
        Effect.gen(function* () {
          yield* open("d", beginning)
          expect(read("slowest")).toBe(13)
        })
      )
      expect(read("slowest")).toBe(0)
    }).pipe(Effect.scoped, Effect.provide(Layer.provide(world.layer, layer)))
  })

  it.effect("a log that went back in time", () => {
    const world = new World()
    const { counts, layer } = recording()
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

describe("the committer reports", () => {
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
    const { commits, read, layer } = recording()
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
