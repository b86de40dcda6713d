// What a commit does to the logs: what was decided stands right behind the head, once, and the projection follows it.

import { Effect, Result } from "effect"
import fc from "fast-check"
import { assert } from "vitest"
import { commitBytesMax, commitEventsMax } from "../../../application/limits.ts"
import { EventStore } from "../../../application/ports/EventStore.ts"
import type { Change } from "../../../domain/command.ts"
import { type Event, fold } from "../../../domain/event.ts"
import { claimsBytesMax, valuesBytesMax } from "../../../domain/limits.ts"
import { compareText } from "../../../domain/query.ts"
import { fresh, type Law, property, same } from "../law.ts"
import { entitiesOf, globOf } from "./searching.ts"
import {
  append,
  commit,
  commitAll,
  commitBatches,
  del,
  draftBatch,
  edit,
  entityOf,
  job,
  logOf,
  refIn,
  set
} from "./writing.ts"

const order: Law<EventStore> = {
  name: "events stand in the log as decided, once, at positions without a gap",
  check: Effect.gen(function* () {
    const domain = fresh("order")
    const all: Array<Event> = []
    for (const size of [1, 3, 1, 7]) {
      const jobs = Array.from({ length: size }, (_, n) => job(refIn(domain, `k${n}`), set({ size, n })))
      const { head, events } = yield* commit(domain, jobs)
      assert.strictEqual(events.length, size)
      all.push(...events)
      const last = all.at(-1)!
      const { incarnation, ...rest } = head
      assert.match(incarnation, /^[0-9a-f]{16}$/)
      same(rest, { domain, position: last.position, time: last.time, eventId: last.id }, "the head")
      same(yield* logOf(domain), all, "the log")
    }
  })
}

const times: Law<EventStore> = {
  name: "time rises with the position, whatever the clock does",
  check: Effect.gen(function* () {
    const domain = fresh("time")
    const ref = refIn(domain, "a")
    for (const now of [1_000n, 1_000n, 5n, 2_000n, 1n])
      yield* commit(domain, [job(ref, set({ a: 1 })), job(ref, set({ a: 2 }))], () => now)
    same(
      (yield* logOf(domain)).map(({ time }) => time),
      [1000n, 1001n, 1002n, 1003n, 1004n, 1005n, 2000n, 2001n, 2002n, 2003n],
      "times"
    )
  })
}

const keys = ["a", "b", "c"] as const
const types = ["thing", "other"] as const
const change: fc.Arbitrary<Change> = fc.oneof(
  fc.integer({ min: 0, max: 9 }).map((n) => set({ n })),
  fc.constantFrom("x", "y").map((name) => edit({ [name]: name })),
  fc.integer({ min: 0, max: 9 }).map((n): Change => ({ _tag: "Revert", values: { n, old: true } })),
  fc.constant(del)
)
const step = fc.record({
  at: fc.nat({ max: 2 }),
  key: fc.constantFrom(...keys),
  type: fc.constantFrom(...types),
  change
})
const commits = fc.array(fc.array(step, { minLength: 1, maxLength: 10 }), { minLength: 1, maxLength: 5 })

const folded: Law<EventStore> = {
  name: "the projection is the fold of the log, after any commands",
  check: property(
    commits,
    100,
    Effect.fnUntraced(function* (steps) {
      const store = yield* EventStore
      const domains = [fresh("fold"), fresh("fold"), fresh("fold")]
      const made = new Map<string, Array<Event>>(domains.map((domain) => [domain, []]))
      for (const step of steps) {
        const parts = domains
          .map((domain, at) => {
            const own = step.filter((one) => one.at === at)
            return [domain, own.map(({ key, type, change }) => job(refIn(domain, key, type), change))] as const
          })
          .filter(([, jobs]) => jobs.length > 0)
        const written = yield* commitAll(parts)
        for (const [i, [domain]] of parts.entries()) made.get(domain)!.push(...written[i]!.events)
      }
      for (const [domain, events] of made) {
        const log = yield* logOf(domain)
        same(log, events, "the log")
        const states = fold(log)
        for (const type of types) {
          const refs = keys.map((key) => refIn(domain, key, type))
          for (const ref of refs) {
            const state = [...states.values()].find((one) => one.key === ref.key && one.type === type)
            same(yield* store.state(ref), state, "state")
          }
          const alive = [...states.values()].filter((one) => one.type === type && !one.deleted).map(entityOf)
          const expected = alive.sort((a, b) => compareText(a.key, b.key))
          same((yield* entitiesOf(domain, type)).map(entityOf), expected, "entities")
        }
      }
    })
  )
}

const nothing: Law<EventStore> = {
  name: "a decision for nothing changes nothing, and makes no domain",
  check: Effect.gen(function* () {
    const store = yield* EventStore
    const [domain, never] = [fresh("nothing"), fresh("nothing")]
    const made = yield* append(domain, [{ key: "a" }])
    const before = yield* store.heads(globOf(domain), 1)
    const batch = (name: string) => ({ domain: name, refs: [refIn(name, "a")], keys: [], decide: () => [] })
    const heads = yield* commitBatches([batch(never), batch(domain)])
    same(heads[1], before[0], "the head of a domain")
    assert.strictEqual(heads[0]!.position, 0n)
    assert.strictEqual(heads[0]!.eventId, "")
    same(yield* store.heads(globOf(domain), 1), before, "heads")
    same(yield* logOf(domain), made, "the log")
    same(yield* store.heads(globOf(never), 1), [], "heads of a domain that never was")
    same(yield* store.read(never, 0n, 1), [], "its log")
    const [first] = yield* append(never, [{ key: "a" }])
    assert.strictEqual(first!.position, 1n)
  })
}

const resultOrder: Law<EventStore> = {
  name: "batches of several domains each get their own result, in their order",
  check: Effect.gen(function* () {
    // Neither the order of the names nor its reverse, so that a store which sorts them is seen.
    const domains = ["m", "z", "a", "q", "b"].map((letter) => `${letter}${fresh("batches")}`)
    for (const round of [1n, 2n]) {
      const batches = domains.map((domain, i) => draftBatch(domain, Array(i + 1).fill({ key: "a", values: { i } })))
      const heads = yield* commitBatches(batches.map(({ batch }) => batch))
      for (const [i, { domain, position, eventId, time }] of heads.entries()) {
        const last = batches[i]!.made.events.at(-1)!
        const expected = { domain: domains[i], position: BigInt(i + 1) * round, eventId: last.id, time: last.time }
        same({ domain, position, eventId, time }, expected, "the result")
      }
    }
  })
}

const big: Law<EventStore> = {
  name: "a commit may hold as many events, and as many bytes, as the store says",
  check: Effect.gen(function* () {
    const store = yield* EventStore
    const { capacity } = store
    assert.isAtLeast(capacity.commits, 1)
    assert.isAtLeast(capacity.bytes, valuesBytesMax + claimsBytesMax, "the largest event fits")
    const length = Math.min(capacity.events, commitEventsMax)
    assert.isAtLeast(length, 1)
    const domain = fresh("big")
    const drafts = Array.from({ length }, (_, n) => ({ key: `k${n % 100}`, values: { n } }))
    // Once for entities that are new, and once for such as are there.
    const made = [...(yield* append(domain, drafts)), ...(yield* append(domain, drafts))]
    same(yield* logOf(domain), made, "the log")
    assert.strictEqual((yield* entitiesOf(domain, "thing")).length, Math.min(length, 100))
    // As large as values may be, in characters that take more than a byte.
    const values = { v: "é".repeat(valuesBytesMax / 2 - 10) }
    const full = Math.floor(Math.min(capacity.bytes, commitBytesMax) / (valuesBytesMax + claimsBytesMax))
    const large = fresh("large")
    const heavy = yield* append(
      large,
      Array.from({ length: full }, (_, n) => ({ key: `k${n}`, values }))
    )
    same(yield* logOf(large), heavy, "the log of large events")
    same((yield* store.state(refIn(large, `k${full - 1}`)))?.values, values, "a large entity")
  })
}

const noUnits: Law<EventStore> = {
  name: "a commit of no batches succeeds with no results",
  check: Effect.gen(function* () {
    const results = yield* (yield* EventStore).commit([])
    assert.deepStrictEqual(results.map(Result.isSuccess), [])
  })
}

export const appending = [order, times, folded, nothing, resultOrder, big, noUnits]
