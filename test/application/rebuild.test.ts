import { Effect } from "effect"
import { assert, describe, test } from "vitest"
import { MemoryStore, port, projection } from "../../adapters/storage/memory/store.ts"
import type { Store } from "../../application/maintenance/log.ts"
import { type Difference, rebuild } from "../../application/maintenance/rebuild.ts"
import type { State } from "../../domain/entity.ts"
import { batchOf, commit, del, job, refIn, set } from "../contract/event-store/writing.ts"
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

const rebuilt = async (memory: MemoryStore, repair: boolean) => {
  const reported: Array<Difference> = []
  const onDifference = (difference: Difference) => Effect.sync(() => void reported.push(difference))
  const found = await Effect.runPromise(rebuild(port(memory), projection(memory), { repair, onDifference }))
  return { reported, found }
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
  "different values": { states: [state("z", { values: { key: "zz" } })] },
  "an older version": { states: [state("x", { values: { key: "x" } })] },
  "a newer version": { states: [state("z", { version: 9n })] },
  "a tombstone stored as an entity": { states: [state("y", { version: 2n })] },
  "one that no event made": { states: [state("orphan", {})] }
}

describe("a rebuild", () => {
  test("finds no difference in an intact store", async () => {
    const { reported, found } = await rebuilt(await filled(), true)
    assert.deepStrictEqual(reported, [])
    assert.deepStrictEqual(found, [
      { domain: "a", events: 5n, entities: 3, differences: 0 },
      { domain: "b", events: 5n, entities: 3, differences: 0 }
    ])
  })

  test("repairs nothing in a domain that somebody writes to meanwhile", async () => {
    const memory = await filled()
    const store = port(memory)
    let isWritten = false
    const state: Store["state"] = (ref) =>
      Effect.gen(function* () {
        if (!isWritten) yield* store.commit([batchOf("a", [job(refIn("a", "z"), set({ meanwhile: true }))]).batch])
        isWritten = true
        return yield* store.state(ref)
      })
    const rebuilding = rebuild({ ...store, state }, projection(memory), {
      repair: true,
      onDifference: () => Effect.void
    })
    const failure = await Effect.runPromise(Effect.flip(rebuilding))
    assert.deepStrictEqual(
      [failure._tag, failure.message],
      ["NotPossible", "another process writes to a; stop it and run rebuild again"]
    )
    const written = memory.stored("a").find(({ key }) => key === "z")
    assert.deepStrictEqual([written?.version, written?.values], [2n, { meanwhile: true }])
  })

  for (const [name, { states = [], gone = [] }] of Object.entries(damages)) {
    test(`finds and repairs ${name}`, async () => {
      const memory = await filled()
      const right = memory.stored("a")
      memory.restate(
        "a",
        states,
        gone.map((key) => refIn("a", key))
      )
      const looked = await rebuilt(memory, false)
      assert.strictEqual(looked.reported.length, 1)
      assert.deepStrictEqual(
        looked.found.map(({ differences }) => differences),
        [1, 0]
      )
      const key = states[0]?.key ?? gone[0]!
      assert.deepStrictEqual(looked.reported[0]!.ref, refIn("a", key))
      assert.deepStrictEqual(
        looked.reported[0]!.expected,
        right.find((one) => one.key === key)
      )
      assert.deepStrictEqual(looked.reported[0]!.stored, states[0])
      assert.deepStrictEqual((await rebuilt(memory, true)).reported, looked.reported, "a comparison changes nothing")
      assert.deepStrictEqual((await rebuilt(memory, false)).reported, [])
      assert.sameDeepMembers([...memory.stored("a")], [...right])
    })
  }
})
