import { describe, expect, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { started } from "./committer-world.ts"
import { GatedStore, settle } from "./gated-store.ts"
import { setting } from "./samples.ts"

describe("a commit that waits in the store", () => {
  it.effect("gives a waiting store later jobs in a new batch, and does not change the batch that it has", () => {
    const store = new GatedStore()
    return Effect.gen(function* () {
      const { submitted } = yield* started(store)
      yield* store.gate.close
      const first = yield* submitted(setting("d", "first"))
      yield* settle
      const second = yield* submitted(setting("d", "second"))
      const keys = () => store.waitingBatches.map(({ refs }) => refs.map(({ key }) => key))
      const [batch] = store.waitingBatches
      yield* store.progress
      expect(batch!.refs.map(({ key }) => key)).toEqual(["first"])
      expect(keys()).toEqual([["first", "second"]])
      yield* store.gate.open
      yield* Fiber.joinAll([first, second])
      expect(store.commits).toHaveLength(1)
    })
  })

  it.effect("keeps later jobs for the next batch when the store decides an earlier one", () => {
    const store = new GatedStore()
    return Effect.gen(function* () {
      const { submitted } = yield* started(store)
      yield* store.gate.close
      const first = yield* submitted(setting("d", "first"))
      yield* settle
      const second = yield* submitted(setting("d", "second"))
      const earlier = store.waitingBatches
      yield* store.progress
      store.useBatches(earlier)
      yield* store.gate.open
      yield* Fiber.joinAll([first, second])
      expect(store.commits).toHaveLength(2)
      expect(store.keys("d")).toEqual(["first", "second"])
    })
  })
})
