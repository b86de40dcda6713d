import fc from "fast-check"
import { test } from "vitest"
import type { Job } from "../../../domain/batch.ts"
import { del, edit, job, refIn, set } from "../../contract/event-store/writing.ts"
import { domain, type Fate, type Step, World } from "./simulation.ts"

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

/**
 * A gateway takes some steps in a row, and the last of them ends in some way; so others are asleep for long. Of those
 * that it takes at once, the one that it began last comes first, or the one that it began first.
 */
const turn = fc.record({
  gateway: fc.nat({ max: 3 }),
  steps: fc.integer({ min: 1, max: 10 }),
  isLastFirst: fc.boolean(),
  fate: fc.oneof(
    { weight: 3, arbitrary: fc.constant<Fate>("done") },
    { weight: 1, arbitrary: fc.constantFrom<Fate>("lost", "refused", "late", "before", "after") }
  )
})
const none = { gateway: undefined, isLastFirst: false, fate: "done" } as const
const turns = fc.array(turn, { maxLength: 40 })
const gateways = fc.array(fc.array(jobs, { minLength: 1, maxLength: 3 }), { minLength: 1, maxLength: 3 })

test("after any history the log is whole, and what was acknowledged is in it once", async () => {
  await fc.assert(
    fc.asyncProperty(gateways, turns, async (programs, turns) => {
      const world = new World()
      for (const program of programs) world.start(program)
      const chosen = turns.flatMap(({ gateway, steps, isLastFirst, fate }) =>
        Array.from({ length: steps }, (_, i) => ({ gateway, isLastFirst, fate: i + 1 < steps ? "done" : fate }))
      )
      await world.run((steps) => {
        const { gateway, isLastFirst, fate } = chosen.shift() ?? none
        // Gateway 3 stands for what is late, which comes last if nobody chooses it.
        const isOwn = (step: Step) => step.gateway === (gateway === 3 ? undefined : gateway)
        const own = isLastFirst ? steps.findLast(isOwn) : steps.find(isOwn)
        return [own ?? steps.find((step) => step.gateway !== undefined) ?? steps[0]!, fate]
      })
      await world.isWhole()
    }),
    { numRuns: 1000 }
  )
})
