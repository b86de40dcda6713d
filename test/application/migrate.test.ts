import { Effect, Result } from "effect"
import fc from "fast-check"
import { assert, describe, test } from "vitest"
import { MemoryStore, port } from "../../adapters/storage/memory/store.ts"
import { OutcomeUnknown, Unavailable } from "../../application/failure.ts"
import { migrate } from "../../application/maintenance/migrate.ts"
import { compareLogs, logHash } from "../../application/maintenance/verify.ts"
import type { EventStore } from "../../application/ports/EventStore.ts"
import { batchOf, commit, del, edit, job, refIn, set } from "../contract/event-store/writing.ts"
import { provided } from "./provided.ts"

type Store = EventStore["Service"]

/** A store with the given number of events in each domain, of every kind. */
const filled = async (lengths: Readonly<Record<string, number>>) => {
  const memory = new MemoryStore()
  const store = port(memory)
  for (const [domain, length] of Object.entries(lengths)) {
    for (let i = 0; i < length; i++) {
      const ref = refIn(domain, `k${i % 3}`, i % 2 === 0 ? "order" : "item")
      const idempotency = { caller: "me", key: `${i}`, hash: "h" }
      const change = i % 7 === 6 ? del : i % 2 === 0 ? set({ i, text: "ä'\"" }) : edit({ [`f${i}`]: [i, null] })
      await provided(
        store,
        commit(domain, [job(ref, change, i % 3 === 0 ? { idempotency, claims: { sub: "me" } } : {})])
      )
    }
  }
  return { memory, store }
}

const run = (from: Store, to: Store) => Effect.runPromise(migrate(from, to, () => Effect.void))
const failureOf = (from: Store, to: Store) => Effect.runPromise(Effect.flip(migrate(from, to, () => Effect.void)))

/** All observable content of a store. */
const everythingOf = (memory: MemoryStore) => ({
  heads: memory.heads(),
  logs: memory.heads().map(({ domain }) => memory.log(domain)),
  states: memory.heads().map(({ domain }) => memory.stored(domain))
})

describe("a migration", () => {
  test("makes the target the same as the source, identities included", async () => {
    const source = await filled({ a: 25, b: 1 })
    const target = new MemoryStore()
    const migrated = await run(source.store, port(target))
    assert.deepStrictEqual(everythingOf(target), everythingOf(source.memory))
    assert.deepStrictEqual(
      migrated.map(({ domain, copied, from, to, same }) => [domain, copied, from, to, same]),
      [
        ["a", 25n, 25n, 25n, true],
        ["b", 1n, 1n, 1n, true]
      ]
    )
  })

  test("continues where the last one ended, and copies nothing twice", async () => {
    const source = await filled({ a: 5 })
    const target = new MemoryStore()
    await run(source.store, port(target))
    await provided(source.store, commit("a", [job(refIn("a", "k0", "order"), set({ later: true }))]))
    await provided(source.store, commit("new", [job(refIn("new", "k"), set({}))]))
    const migrated = await run(source.store, port(target))
    assert.deepStrictEqual(
      migrated.map(({ domain, copied }) => [domain, copied]),
      [
        ["a", 1n],
        ["new", 1n]
      ]
    )
    assert.deepStrictEqual(everythingOf(target), everythingOf(source.memory))
  })

  test("reports events that the source got while others were copied", async () => {
    const source = await filled({ a: 3 })
    const target = new MemoryStore()
    const healthy = port(target)
    const slow: Store = {
      ...healthy,
      commit: (batches) =>
        Effect.gen(function* () {
          const late = ["a", "new"].map((domain) => batchOf(domain, [job(refIn(domain, "late"), set({}))]).batch)
          yield* source.store.commit(late)
          return yield* healthy.commit(batches)
        })
    }
    const result = (await run(source.store, slow)).map(({ domain, from, to }) => [domain, from, to])
    assert.deepStrictEqual(result, [
      ["a", 4n, 3n],
      ["new", 1n, 0n]
    ])
  })

  test("splits events by the capacity of the target", async () => {
    const source = await filled({ a: 40 })
    const target = new MemoryStore()
    const sizes: Array<number> = []
    const healthy = port(target)
    const small: Store = {
      ...healthy,
      capacity: { commits: 1, domains: 1, events: 7, bytes: 3_000 },
      commit: (batches) =>
        healthy.commit(
          batches.map((batch) => ({
            ...batch,
            decide: (snapshot) => {
              const events = batch.decide(snapshot)
              sizes.push(events.length)
              return events
            }
          }))
        )
    }
    await run(source.store, small)
    assert.deepStrictEqual(everythingOf(target), everythingOf(source.memory))
    assert.isAtMost(Math.max(...sizes), 7)
    assert.isAbove(sizes.length, 40 / 7)
  })

  test("refuses a target with another log of the same name, or with events of its own", async () => {
    const source = await filled({ a: 5 })
    const other = await filled({ a: 5 })
    assert.match((await failureOf(source.store, other.store)).message, /another log of a/)
    const target = new MemoryStore()
    await run(source.store, port(target))
    await provided(port(target), commit("a", [job(refIn("a", "k0"), set({}))]))
    assert.match((await failureOf(source.store, port(target))).message, /another log of a/)
  })

  test("resolves a commit of unknown outcome, whether it was stored or not", async () => {
    for (const isDone of [true, false]) {
      const source = await filled({ a: 5 })
      const target = new MemoryStore()
      const healthy = port(target)
      let failures = 0
      const unsure: Store = {
        ...healthy,
        commit: (batches) => {
          if (failures++ > 0) return healthy.commit(batches)
          const lost = batches.map(() => Result.fail(new OutcomeUnknown({})))
          return isDone ? Effect.as(healthy.commit(batches), lost) : Effect.succeed(lost)
        }
      }
      await run(source.store, unsure)
      assert.deepStrictEqual(everythingOf(target), everythingOf(source.memory), `done: ${isDone}`)
    }
  }, 20_000)

  test("reports a gap in the source", async () => {
    const source = await filled({ a: 5 })
    const holed: Store = {
      ...source.store,
      read: (domain, after, limit) =>
        Effect.map(source.store.read(domain, after, limit), (events) =>
          events.filter(({ position }) => position !== 3n)
        )
    }
    assert.match((await failureOf(holed, port(new MemoryStore()))).message, /no event at position 3/)
  })

  test("gives up when the target stays unavailable", async () => {
    const source = await filled({ a: 1 })
    const away: Store = { ...port(new MemoryStore()), heads: () => Effect.fail(new Unavailable({ message: "away" })) }
    assert.strictEqual((await failureOf(source.store, away))._tag, "Unavailable")
  })
})

describe("a comparison", () => {
  test("does not depend on the page size of a store", async () => {
    const { store } = await filled({ a: 30 })
    await fc.assert(
      fc.asyncProperty(fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1 }), async (sizes) => {
        let turn = 0
        const paged: Store = {
          ...store,
          read: (domain, after) => store.read(domain, after, sizes[turn++ % sizes.length]!)
        }
        const hash = (of: Store) => Effect.runPromise(logHash(of, "a", 30n))
        assert.strictEqual(await hash(paged), await hash(store))
      }),
      { numRuns: 20 }
    )
  })

  test("notices a change of anything", async () => {
    const { store } = await filled({ a: 3 })
    const changes: ReadonlyArray<object> = [
      { id: "0" },
      { time: 1n },
      { method: "/x" },
      { claims: { sub: "other" } },
      { erased: true },
      { traceparent: "00" },
      { idempotency: { caller: "c", key: "k", hash: "h" } }
    ]
    for (const change of changes) {
      const other: Store = {
        ...store,
        read: (domain, after, limit) =>
          Effect.map(store.read(domain, after, limit), (events) =>
            events.map((event) => (event.position === 2n ? { ...event, ...change } : event))
          )
      }
      const { same } = await Effect.runPromise(compareLogs(store, other, "a"))
      assert.isFalse(same, Object.keys(change)[0])
    }
    assert.isTrue((await Effect.runPromise(compareLogs(store, store, "a"))).same)
  })
})
