import { Effect } from "effect"
import { assert, describe, test } from "vitest"
import { MemoryStore, port, projection } from "../../adapters/storage/memory/store.ts"
import type { Store } from "../../application/upkeep/log.ts"
import { type Difference, rebuild } from "../../application/upkeep/rebuild.ts"
import type { State } from "../../domain/entity.ts"
import { commit, del, job, refIn, set, unitOf } from "../contract/event-store/writing.ts"
import { provided } from "./provided.ts"

const filled = async () => {
  const memory = new MemoryStore()
  const store = port(memory)
  for (const domain of ["a", "b"]) {
    await provided(
      store,
      commit(
        domain,
        ["x", "y", "z"].map((key) => job(refIn(domain, key), set({ key })))
      )
    )
    await provided(store, commit(domain, [job(refIn(domain, "y"), del), job(refIn(domain, "x"), set({ again: true }))]))
  }
  return memory
}

const rebuilt = async (memory: MemoryStore, mend: boolean) => {
  const told: Array<Difference> = []
  const tell = (difference: Difference) => Effect.sync(() => void told.push(difference))
  const found = await Effect.runPromise(rebuild(port(memory), projection(memory), { mend, tell }))
  return { told, found }
}

const state = (key: string, more: Partial<State>): State => ({
  ...refIn("a", key),
  values: { key },
  version: 1n,
  deleted: false,
  ...more
})

const damages: Readonly<
  Record<string, { readonly states?: ReadonlyArray<State>; readonly gone?: ReadonlyArray<string> }>
> = {
  "an entity that is missing": { gone: ["x"] },
  "a tombstone that is missing": { gone: ["y"] },
  "other values": { states: [state("z", { values: { key: "zz" } })] },
  "an older version": { states: [state("x", { values: { key: "x" } })] },
  "a newer version": { states: [state("z", { version: 9n })] },
  "a deleted one that is there": { states: [state("y", { version: 2n })] },
  "one that no event made": { states: [state("stranger", {})] }
}

describe("a rebuild", () => {
  test("finds nothing where nothing is wrong", async () => {
    const { told, found } = await rebuilt(await filled(), true)
    assert.deepStrictEqual(told, [])
    assert.deepStrictEqual(found, [
      { domain: "a", events: 5n, entities: 3, differences: 0 },
      { domain: "b", events: 5n, entities: 3, differences: 0 }
    ])
  })

  test("puts nothing back that somebody wrote meanwhile", async () => {
    const memory = await filled()
    const store = port(memory)
    let isWritten = false
    const state: Store["state"] = (ref) =>
      Effect.gen(function* () {
        if (!isWritten) yield* store.commit([unitOf("a", [job(refIn("a", "z"), set({ meanwhile: true }))]).unit])
        isWritten = true
        return yield* store.state(ref)
      })
    const rebuilding = rebuild({ ...store, state }, projection(memory), { mend: true, tell: () => Effect.void })
    const failure = await Effect.runPromise(Effect.flip(rebuilding))
    assert.deepStrictEqual([failure._tag, failure.message], ["NotPossible", "somebody writes to a"])
    const written = memory.stored("a").find(({ key }) => key === "z")
    assert.deepStrictEqual([written?.version, written?.values], [2n, { meanwhile: true }])
  })

  for (const [name, { states = [], gone = [] }] of Object.entries(damages)) {
    test(`finds and mends ${name}`, async () => {
      const memory = await filled()
      const right = memory.stored("a")
      memory.restate(
        "a",
        states,
        gone.map((key) => refIn("a", key))
      )
      const looked = await rebuilt(memory, false)
      assert.strictEqual(looked.told.length, 1)
      assert.deepStrictEqual(
        looked.found.map(({ differences }) => differences),
        [1, 0]
      )
      const key = states[0]?.key ?? gone[0]!
      assert.deepStrictEqual(looked.told[0]!.ref, refIn("a", key))
      assert.deepStrictEqual(
        looked.told[0]!.expected,
        right.find((one) => one.key === key)
      )
      assert.deepStrictEqual(looked.told[0]!.stored, states[0])
      assert.deepStrictEqual((await rebuilt(memory, true)).told, looked.told, "looking changes nothing")
      assert.deepStrictEqual((await rebuilt(memory, false)).told, [])
      assert.sameDeepMembers([...memory.stored("a")], [...right])
    })
  }
})
