import { assert, describe, test } from "vitest"
import { del, edit, job, refIn, set } from "../../contract/event-store/writing.ts"
import { domain, type Fate, type Step, World } from "./simulation.ts"

// Small histories, every one of them: a gateway that stops at each of its steps, in each way, and others that find what
// it left; and gateways that take turns at every place.

const [a, b] = [refIn(domain, "a"), refIn(domain, "b")]
const idempotency = { caller: "me", key: "once", hash: "h" }
const both = { ...job(a, edit({ both: 1 })), parts: true }
/** Two entities at once, then one of them again, which depends on the first. */
const first = [
  { ...both, commands: [...both.commands, ...job(b, set({ both: 1 })).commands], idempotency },
  job(b, edit({ again: 1 }))
]
/** Another change of both, the same call once more, and the end of one. */
const second = [job(a, edit({ other: 1 })), { ...first[0]!, commands: [...first[0]!.commands] }, job(b, del)]

const of = (steps: ReadonlyArray<Step>, gateway: number | undefined) => steps.find((step) => step.gateway === gateway)

/** How many steps a history takes in which nothing goes wrong. */
const lengthOf = async (programs: ReadonlyArray<typeof first>) => {
  const world = new World()
  for (const program of programs) world.start(program)
  let length = 0
  await world.run((steps) => {
    length++
    return [steps[0]!, "done"]
  })
  await world.isWhole()
  return length
}

describe("a gateway that is stopped at any of its steps", async () => {
  const length = await lengthOf([first])

  test.each<Fate>(["before", "after", "lost", "refused", "late"])("%s, is made up for by the next", async (fate) => {
    for (let at = 0; at < length; at++) {
      const world = new World()
      world.start(first)
      let taken = 0
      await world.run((steps) => [of(steps, 0) ?? steps[0]!, taken++ === at ? fate : "done"])
      world.start(second)
      await world.run((steps) => [of(steps, 1) ?? steps[0]!, "done"])
      assert.isTrue(
        world.commits.slice(-second.length).every(({ outcome }) => outcome === "acked"),
        "the next commits"
      )
      await world.isWhole()
    }
  })

  test.each<Fate>(["lost", "refused", "late"])("%s from then on, tells the truth about what it did", async (fate) => {
    const outcomes = new Set<string>()
    for (let at = 0; at < length; at++) {
      for (const atFirst of [fate, "lost"] as const) {
        const world = new World()
        world.start(first)
        let taken = 0
        await world.run((steps) => {
          const step = of(steps, 0) ?? steps[0]!
          taken++
          return [step, taken <= at || step.name === "sleep" ? "done" : taken === at + 1 ? atFirst : fate]
        })
        for (const { outcome } of world.commits) outcomes.add(outcome)
        await world.isWhole()
      }
    }
    assert.deepStrictEqual([...outcomes].sort(), ["OutcomeUnknown", "Unavailable", "acked"])
  })
})

test.each(["find", "findLast"] as const)(
  "another one may commit while one does anything at all, whichever of what it does at once comes first (%s)",
  async (which) => {
    const program = [job(a, edit({ one: 1 })), job(a, edit({ one: 2 }))]
    const length = await lengthOf([program])
    for (let at = 0; at < length; at++) {
      const world = new World()
      world.start(program)
      let taken = 0
      await world.run((steps) => {
        if (taken++ === at) world.start([job(a, edit({ other: 1 }))])
        const own = taken > at + 1 ? of(steps, 1) : undefined
        return [own ?? steps[which](({ gateway }) => gateway === 0) ?? steps[0]!, "done"]
      })
      assert.isTrue(world.commits.every(({ outcome }) => outcome === "acked"))
      await world.isWhole()
    }
  }
)

test("two gateways may take turns at every place, three times", { timeout: 300_000 }, async () => {
  const [one, other] = [first.slice(0, 1), second.slice(0, 2)]
  const [alone, together] = [await lengthOf([one]), await lengthOf([one, other])]
  for (let i = 0; i <= alone; i++) {
    for (let j = 1; j <= together - i; j++) {
      for (let k = 1; k <= together - i - j; k++) {
        const world = new World()
        world.start(one)
        world.start(other)
        const order = [...Array(i).fill(0), ...Array(j).fill(1), ...Array(k).fill(0), ...Array(together * 9).fill(1)]
        await world.run((steps) => [of(steps, order.shift()) ?? steps[0]!, "done"])
        assert.isTrue(world.commits.every(({ outcome }) => outcome === "acked"))
        await world.isWhole()
      }
    }
  }
})
