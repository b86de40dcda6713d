// Whether calls should be sent to this process, and what is said beside it.

import { describe, expect, it } from "@effect/vitest"
import { Effect, Fiber, Layer } from "effect"
import { TestClock } from "effect/testing"
import { layer as disabled } from "../../adapters/auth/disabled/authenticator.ts"
import { layer as inmem } from "../../adapters/channel/inmem/channel.ts"
import { MemoryStore } from "../../adapters/storage/memory/store.ts"
import type { Unavailable } from "../../application/failure.ts"
import { Feed } from "../../application/feed/feed.ts"
import { readinessMs, readinessMsMax, rewoundMs } from "../../application/limits.ts"
import { EventStore, type Moved } from "../../application/ports/EventStore.ts"
import { Readiness } from "../../application/readiness.ts"
import { away, beginning, numbered, open, World, write } from "./feed-world.ts"
import { GatedStore } from "./gated-store.ts"

describe("the gateway is ready", () => {
  const readiness = (movedSince: EventStore["Service"]["movedSince"]) => {
    const store = Layer.effect(
      EventStore,
      Effect.map(EventStore, (healthy) => ({ ...healthy, movedSince }))
    )
    const stored = Layer.provide(store, new GatedStore().layer())
    const feed = Layer.provide(Feed.layer, Layer.merge(stored, inmem))
    return Effect.provide(Layer.provide(Readiness.layer, Layer.mergeAll(stored, feed, disabled)))
  }
  const moved = Effect.succeed<Moved>({ heads: [], changeToken: "" })

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
    const layer = Layer.provide(
      Layer.provideMerge(Readiness.layer, world.layer),
      Layer.merge(new GatedStore().layer(), disabled)
    )
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
    const layer = Layer.provide(
      Layer.provideMerge(Readiness.layer, world.layer),
      Layer.merge(new GatedStore().layer(), disabled)
    )
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
