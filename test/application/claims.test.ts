import fc from "fast-check"
import { test } from "vitest"
import type { Job } from "../../domain/batch.ts"
import { del, edit, job, refIn, set } from "../contract/event-store/writing.ts"
import { domain, type Fate, World } from "./claims-world.ts"

// Random histories: some gateways, some commits each, steps in any order, and anything that can go wrong with them.

const keys = ["a", "b", "c"] as const
const change = fc.oneof(
  fc.nat({ max: 9 }).map((n) => set({ n })),
  fc.nat({ max: 9 }).map((n) => edit({ [`k${n}`]: n })),
  fc.constant(del)
)
const idempotency = (key: string) => ({ caller: "me", key, hash: "h" })
const jobs: fc.Arbitrary<Job> = fc
  .record({
    changes: fc.array(fc.tuple(fc.constantFrom(...keys), change), { minLength: 1, maxLength: 3 }),
    key: fc.option(fc.constantFrom("once", "twice"), { nil: undefined })
  })
  .map(({ changes, key }) => {
    const commands = changes.flatMap(([at, one]) => job(refIn(domain, at), one).commands)
    return { ...job(refIn(domain, "a"), del), commands, parts: true, ...(key && { idempotency: idempotency(key) }) }
  })

/** A gateway takes some steps in a row, and the last of them ends in some way; so others are asleep for long. */
const turn = fc.record({
  gateway: fc.nat({ max: 3 }),
  steps: fc.integer({ min: 1, max: 10 }),
  fate: fc.oneof(
    { weight: 3, arbitrary: fc.constant<Fate>("done") },
    { weight: 1, arbitrary: fc.constantFrom<Fate>("lost", "refused", "late", "before", "after") }
  )
})
const turns = fc.array(turn, { maxLength: 40 })
const gateways = fc.array(fc.array(jobs, { minLength: 1, maxLength: 3 }), { minLength: 1, maxLength: 3 })

test("after any history the log is whole, and what was acknowledged is in it once", async () => {
  await fc.assert(
    fc.asyncProperty(gateways, turns, async (programs, turns) => {
      const world = new World()
      for (const program of programs) world.start(program)
      const chosen = turns.flatMap(({ gateway, steps, fate }) =>
        Array.from({ length: steps }, (_, i) => ({ gateway, fate: i + 1 < steps ? ("done" as const) : fate }))
      )
      await world.run((steps) => {
        const { gateway, fate } = chosen.shift() ?? { gateway: undefined, fate: "done" }
        // Gateway 3 stands for what is late, which comes last if nobody chooses it.
        const own = steps.find((step) => step.gateway === (gateway === 3 ? undefined : gateway))
        return [own ?? steps.find((step) => step.gateway !== undefined) ?? steps[0]!, fate]
      })
      await world.isWhole()
    }),
    { numRuns: 1000 }
  )
})
