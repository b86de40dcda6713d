// A bug in what runs beside the calls is in the log and in the metrics, and what it happened to goes on.

import { describe, expect, it } from "@effect/vitest"
import { Cause, Clock, Effect, Layer, Logger, type Scope } from "effect"
import { TestClock } from "effect/testing"
import { layer as disabled } from "../../adapters/auth/disabled/authenticator.ts"
import { layer as inmem } from "../../adapters/channel/inmem/channel.ts"
import { MemoryStore, port } from "../../adapters/storage/memory/store.ts"
import { backgroundFibers, backgroundStarter, keepRunning } from "../../application/background.ts"
import { Committer } from "../../application/committer.ts"
import { OutcomeUnknown, storeUnavailable } from "../../application/failure.ts"
import { Feed } from "../../application/feed/feed.ts"
import { Heartbeats } from "../../application/feed/heartbeats.ts"
import {
  backgroundRetryMs,
  clockCheckMs,
  commitCheckMs,
  storeQuietCheckMs,
  storeQuietMs
} from "../../application/limits.ts"
import { Channel } from "../../application/ports/Channel.ts"
import { EventStore } from "../../application/ports/EventStore.ts"
import { Readiness } from "../../application/readiness.ts"
import { withCircuitBreaker } from "../../application/storage/circuit-breaker.ts"
import { withClockGuard } from "../../application/storage/clock-guard.ts"
import { combineTelemetry, Telemetry } from "../../application/telemetry.ts"
import { del, job, refIn } from "../contract/event-store/writing.ts"
import { keysOf, open, taken, World, write } from "./feed-world.ts"
import { GatedStore, settle } from "./gated-store.ts"

/** Collects log lines and defects. */
class Heard {
  readonly defects: Array<string> = []
  readonly lines: Array<string> = []
  /** Throws once when a commit is recorded. */
  hasBugInCommitted = false

  readonly layer = Layer.merge(
    Layer.succeed(
      Telemetry,
      combineTelemetry({
        recordDefect: (fiber) => void this.defects.push(fiber),
        recordCommit: () => {
          if (!this.hasBugInCommitted) return
          this.hasBugInCommitted = false
          throw bug
        }
      })
    ),
    Logger.layer([
      Logger.make<unknown, void>(({ logLevel, message, cause }) => {
        this.lines.push(`${logLevel} ${message} ${Cause.pretty(cause)}`)
      })
    ])
  )
}

const bug = new Error("a mistake of ours")
const dies = Effect.die(bug)

/** Dies as many times as `set` says; does nothing otherwise. */
const trap = () => {
  let left = 0
  return {
    set: (times = 1) => {
      left = times
    },
    sprung: Effect.suspend(() => (left-- > 0 ? dies : Effect.void))
  }
}

const looked = TestClock.adjust("8 seconds")
const submit = (key: string) => Committer.use((committer) => committer.submit(job(refIn("d", key), del)))

/** For each fiber: makes it meet a bug, and finds that it goes on. */
const cases: Record<string, (heard: Heard) => Effect.Effect<void, unknown, Scope.Scope>> = {
  "feed-poll": (heard) => {
    const world = new World()
    const bugs = trap()
    world.before = (call) => (call === "movedSince" ? bugs.sprung : Effect.void)
    return Effect.gen(function* () {
      const stream = yield* open("d")
      world.carry = () => []
      yield* write("d", ["a"])
      bugs.set()
      yield* looked
      yield* looked
      expect(keysOf(yield* taken(stream))).toEqual(["a"])
    }).pipe(Effect.provide(Layer.provide(world.layer, heard.layer)))
  },
  "feed-fill": (heard) => {
    const world = new World()
    const bugs = trap()
    world.before = (call) => (call === "read" ? bugs.sprung : Effect.void)
    return Effect.gen(function* () {
      const stream = yield* open("d")
      yield* write("d", ["a"])
      world.carry = (all) => all.slice(-1)
      bugs.set()
      yield* write("d", ["b", "c", "d"])
      yield* looked
      expect(keysOf(yield* taken(stream))).toEqual(["a", "b", "c", "d"])
    }).pipe(Effect.provide(Layer.provide(world.layer, heard.layer)))
  },
  "feed-check": (heard) => {
    const world = new World()
    const bugs = trap()
    world.before = (call) => (call === "heads" ? bugs.sprung : Effect.void)
    return Effect.gen(function* () {
      yield* write("d", ["a"])
      const stream = yield* open("d")
      world.swap()
      bugs.set()
      yield* write("d", ["other"])
      yield* looked
      expect(yield* Effect.flip(stream.pull)).toMatchObject({ _tag: "LogRewound" })
    }).pipe(Effect.provide(Layer.provide(world.layer, heard.layer)))
  },
  announcer: (heard) => {
    const store = new GatedStore()
    const bugs = trap()
    const published: Array<string> = []
    const channel = Layer.succeed(Channel, {
      publish: (all) =>
        Effect.andThen(
          bugs.sprung,
          Effect.sync(() => void published.push(...all.map(({ event }) => event.entity.key)))
        ),
      subscribe: () => Effect.void
    })
    return Effect.gen(function* () {
      bugs.set()
      yield* write("d", ["lost"])
      yield* write("d", ["a"])
      yield* settle
      expect(published).toEqual(["a"])
    }).pipe(
      Effect.provide(Layer.provide(Committer.layer, Layer.mergeAll(store.layer(), channel, heard.layer))),
      Effect.scoped
    )
  },
  committer: (heard) =>
    Effect.gen(function* () {
      heard.hasBugInCommitted = true
      expect(yield* Effect.flip(write("d", ["a"]))).toBeInstanceOf(OutcomeUnknown)
      yield* TestClock.adjust(backgroundRetryMs)
      yield* write("d", ["b"])
    }).pipe(
      Effect.provide(Layer.provide(Committer.layer, Layer.mergeAll(new GatedStore().layer(), inmem, heard.layer))),
      Effect.scoped
    ),
  "late-commits": (heard) => {
    let hasBug = false
    const broken = Effect.map(
      Clock.Clock,
      (clock): Clock.Clock =>
        Object.assign(Object.create(clock), {
          monotonicTimeNanosUnsafe: () => {
            if (!hasBug) return clock.monotonicTimeNanosUnsafe()
            hasBug = false
            throw bug
          }
        })
    )
    const store = new GatedStore()
    return Effect.gen(function* () {
      yield* store.gate.close
      const late = yield* Effect.forkChild(Effect.flip(submit("a")))
      const later = yield* Effect.forkChild(Effect.flip(submit("b")))
      yield* settle
      hasBug = true
      yield* TestClock.adjust(commitCheckMs)
      yield* TestClock.adjust("1 minute")
      expect(late.pollUnsafe() ?? later.pollUnsafe()).toBeDefined()
      yield* store.gate.open
    }).pipe(
      Effect.provide(Layer.provide(Committer.layer, Layer.mergeAll(store.layer(), inmem, heard.layer))),
      Effect.provideServiceEffect(Clock.Clock, broken),
      Effect.scoped
    )
  },
  "clock-guard": (heard) => {
    const bugs = trap()
    let aheadMs = 0
    return Effect.gen(function* () {
      const now = Effect.map(Clock.currentTimeMillis, (ms) => ms + aheadMs)
      const store = yield* withClockGuard(port(new MemoryStore()), Effect.andThen(bugs.sprung, now))
      bugs.set()
      yield* TestClock.adjust(clockCheckMs)
      aheadMs = 3_600_000
      yield* TestClock.adjust(2 * clockCheckMs)
      expect(yield* Effect.flip(store.movedSince(undefined))).toMatchObject({ _tag: "Unavailable" })
    }).pipe(Effect.provide(heard.layer))
  },
  "circuit-breaker": (heard) => {
    const bugs = trap()
    const never: EventStore["Service"] = { ...port(new MemoryStore()), state: () => Effect.never }
    return Effect.gen(function* () {
      const store = yield* withCircuitBreaker(never, bugs.sprung, () => false)
      const read = yield* Effect.forkChild(store.state(refIn("d", "a")))
      bugs.set()
      yield* TestClock.adjust(storeQuietMs + 3 * storeQuietCheckMs)
      // The second question was answered, so the store is there.
      expect(read.pollUnsafe()).toBeUndefined()
    }).pipe(Effect.provide(heard.layer))
  },
  "feed-heartbeat": (heard) =>
    Effect.gen(function* () {
      const start = yield* backgroundStarter
      const heartbeats = new Heartbeats(yield* Clock.Clock, (work) => start("feed-heartbeat", work))
      const spoke: Array<string> = []
      const silent = (name: string, untilMs: number, onTimeout: () => void = () => void spoke.push(name)) =>
        heartbeats.add({ untilMs, onTimeout })
      silent("broken", 10, () => {
        throw bug
      })
      yield* TestClock.adjust(10)
      silent("next", 20)
      yield* TestClock.adjust(10)
      expect(spoke).toEqual(["next"])
    }).pipe(Effect.provide(heard.layer)),
  readiness: (heard) => {
    const store = Layer.effect(
      EventStore,
      Effect.map(EventStore, (healthy) => ({ ...healthy, movedSince: () => dies }))
    )
    const stored = Layer.provide(store, new GatedStore().layer())
    const feed = Layer.provide(Feed.layer, Layer.mergeAll(stored, inmem, heard.layer))
    return Effect.gen(function* () {
      const { check } = yield* Readiness
      expect(yield* check).toEqual({ ready: false, store: "unavailable", gateway: "ok" })
    }).pipe(
      Effect.provide(Layer.provide(Readiness.layer, Layer.mergeAll(stored, feed, disabled))),
      Effect.provide(heard.layer)
    )
  }
}

describe("a bug in", () => {
  it.effect.each(Object.entries(cases))("%s is logged and counted, and it goes on", ([fiber, meets]) => {
    const heard = new Heard()
    return Effect.gen(function* () {
      yield* Effect.scoped(meets(heard))
      expect(heard.defects.length).toBeGreaterThan(0)
      expect(new Set(heard.defects)).toEqual(new Set([fiber]))
      expect(heard.lines).toHaveLength(heard.defects.length)
      expect(heard.lines[0]).toMatch(/^Error bug in the background fiber .*a mistake of ours/s)
      expect(heard.lines[0]).toContain(fiber)
    })
  })

  it("each of them is tried, here or where it runs", () => {
    // Elsewhere: test/runtimes/drain.test.ts, test/auth/key-source.test.ts, test/adapters/rego.test.ts and test/transport/ops/server.test.ts.
    expect([...Object.keys(cases), "drain", "keys", "operators", "policy"].sort()).toEqual([...backgroundFibers].sort())
  })
})

describe("what runs in the background", () => {
  it.effect("goes on after pauses that grow while bugs follow one another, and ends with its scope", () => {
    const heard = new Heard()
    return Effect.gen(function* () {
      let runs = 0
      const run = Effect.suspend(() => {
        runs += 1
        return dies
      })
      yield* Effect.scoped(Effect.andThen(keepRunning("feed-poll", run), TestClock.adjust("1 minute")))
      expect(runs).toBeGreaterThan(8)
      expect(runs).toBeLessThan(20)
      expect(heard.defects).toHaveLength(runs)
      const before = runs
      yield* TestClock.adjust("1 hour")
      expect(runs).toBe(before)
    }).pipe(Effect.provide(heard.layer))
  })

  it.effect("is no bug where a store is away", () => {
    const heard = new Heard()
    return Effect.gen(function* () {
      let runs = 0
      const run = Effect.suspend(() => {
        runs += 1
        return Effect.fail(storeUnavailable())
      })
      const start = yield* backgroundStarter
      start("feed-fill", run)
      yield* keepRunning("feed-poll", Effect.andThen(Effect.sleep(10), run))
      yield* TestClock.adjust("1 second")
      expect(runs).toBeGreaterThan(90)
      expect(heard).toMatchObject({ defects: [], lines: [] })
    }).pipe(Effect.scoped, Effect.provide(heard.layer))
  })
})
