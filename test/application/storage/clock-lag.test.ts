import { expect, it } from "@effect/vitest"
import { Effect, Fiber, Layer, Logger } from "effect"
import { TestClock } from "effect/testing"
import * as Inmem from "../../../adapters/channel/inmem/channel.ts"
import * as Memory from "../../../adapters/storage/memory/store.ts"
import { Committer } from "../../../application/committer.ts"
import { Entities } from "../../../application/entities.ts"
import { change, set } from "../entity-world.ts"
import { settle } from "../gated-store.ts"

const worldWith = <E, R>(logger: Layer.Layer<never, E, R>) =>
  Entities.layer.pipe(
    Layer.provide(Committer.layer),
    Layer.provide(Layer.merge(Memory.layer, Inmem.layer)),
    Layer.provideMerge(logger)
  )

it.effect("a clock that went back is warned of when it happens, by how much, and once in a while", () => {
  const warnings: Array<string> = []
  const logger = Logger.layer([
    Logger.make<unknown, void>(({ logLevel, message }) => {
      if (logLevel === "Warn") warnings.push(String(message))
    })
  ])
  const world = worldWith(logger)
  return Effect.provide(
    Effect.gen(function* () {
      yield* TestClock.setTime(3_600_000)
      yield* change(set("a", { n: 1 }))
      yield* TestClock.setTime(3_599_600)
      yield* change(set("a", { n: 2 }))
      yield* settle
      expect(warnings).toEqual([])
      yield* TestClock.setTime(10_000)
      yield* change(set("a", { n: 3 }))
      yield* change(set("a", { n: 4 }))
      yield* settle
      expect(warnings).toEqual([expect.stringContaining("the last time in the log is 3590000 ms ahead of this")])
      yield* TestClock.setTime(80_000)
      yield* change(set("a", { n: 5 }))
      yield* settle
      expect(warnings).toHaveLength(2)
    }),
    world
  )
})

it.effect("a change that is stored is acknowledged whatever becomes of the warning", () => {
  const logger = Logger.layer([
    Logger.make<unknown, void>(() => {
      throw new Error("the log is broken")
    })
  ])
  const world = worldWith(logger)
  return Effect.provide(
    Effect.gen(function* () {
      yield* TestClock.setTime(3_600_000)
      yield* change(set("a", { n: 1 }))
      yield* TestClock.setTime(10_000)
      yield* change(set("a", { n: 2 }))
      // The committer goes on after the defect.
      const next = yield* Effect.forkChild(change(set("a", { n: 3 })))
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(next)
    }),
    world
  )
})
