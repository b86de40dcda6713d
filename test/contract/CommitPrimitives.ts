// What commit records need of a store. An adapter that builds its port on them runs `primitivesContract` beside `contract`.

import { Context, Effect, type Layer } from "effect"
import { assert } from "vitest"
import type { CommitPrimitives, CommitRecord } from "../../application/storage/commit-records/primitives.ts"
import type { Head } from "../../domain/batch.ts"
import type { State } from "../../domain/entity.ts"
import { type Event, evolve, methods } from "../../domain/event.ts"
import { fresh, type Law, register, same } from "./law.ts"

export class PrimitivesUnderTest extends Context.Service<PrimitivesUnderTest, CommitPrimitives>()(
  "stategate/test/contract/Primitives"
) {}

const record = (domain: string, position: bigint, more: Partial<CommitRecord> = {}): CommitRecord => ({
  domain,
  position,
  id: crypto.randomUUID(),
  format: 1,
  text: '{"text":"𝄞 \\u0001 \'\\" $ {}"}',
  ...more
})

const headAt = (domain: string, position: bigint): Head => ({
  domain,
  incarnation: "0123456789abcdef",
  position,
  time: 2n ** 62n + position,
  eventId: `event ${position}`
})

const eventOf = (domain: string, position: bigint, key: string, version = position): Event => ({
  id: crypto.randomUUID(),
  position,
  time: 2n ** 62n + position,
  method: methods.set,
  entity: { domain, type: "thing", key, values: { position: String(position), list: [[1], { a: null }] }, version },
  claims: { sub: "me" },
  idempotency: { caller: '["issuer","me"]', key: "once\u0001", hash: "h" },
  erased: false
})

type PrimitiveLaw = Law<PrimitivesUnderTest>

const firstWins: PrimitiveLaw = {
  name: "the first record at a position stays for ever, and every insert answers it",
  check: Effect.gen(function* () {
    const { insertRecord, recordsAt } = yield* PrimitivesUnderTest
    const domain = fresh("record")
    const [mine, yours] = [record(domain, 1n), record(domain, 1n, { format: 7, text: "other" })]
    same(yield* recordsAt([mine]), [], "before")
    same(yield* insertRecord(mine), mine, "the first")
    same(yield* insertRecord(yours), mine, "the second")
    same(yield* insertRecord(mine), mine, "the first once more")
    same(yield* recordsAt([mine]), [mine], "afterwards")
    const next = record(domain, 4n, { format: 7, text: "x".repeat(1_000_000) })
    same(yield* insertRecord(next), next, "at another position, of a format that nobody knows")
    same(yield* insertRecord(record(domain, 4n)), next, "and it is kept as it is")
  })
}

const race: PrimitiveLaw = {
  name: "concurrent inserts at one position all answer the same record",
  check: Effect.gen(function* () {
    const { insertRecord, recordsAt } = yield* PrimitivesUnderTest
    for (let round = 0n; round < 5n; round++) {
      const domain = fresh("race")
      const records = Array.from({ length: 8 }, () => record(domain, 1n))
      const winners = yield* Effect.forEach(records, insertRecord, { concurrency: "unbounded" })
      for (const winner of winners) same(winner, winners[0], "the winner")
      same(yield* recordsAt([records[0]!]), [winners[0]], "who is there")
    }
  })
}

const positions: PrimitiveLaw = {
  name: "of many positions those with a record are answered",
  check: Effect.gen(function* () {
    const { insertRecord, recordsAt } = yield* PrimitivesUnderTest
    const domains = ["a", "b", "c", "A"].map((name) => `${name}${fresh("positions")}`)
    const made = yield* Effect.forEach([domains[0]!, domains[2]!], (domain) => insertRecord(record(domain, 9n)))
    const asked = domains.flatMap((domain) => [8n, 9n, 10n, 90n].map((position) => ({ domain, position })))
    const byDomain = (a: CommitRecord, b: CommitRecord) => (a.domain < b.domain ? -1 : 1)
    same([...(yield* recordsAt(asked))].sort(byDomain), [...made].sort(byDomain), "the records")
    same(yield* recordsAt([]), [], "of no positions")
  })
}

const applied: PrimitiveLaw = {
  name: "the applied head moves forward, as a whole, and never back",
  check: Effect.gen(function* () {
    const { appliedHead, advanceApplied } = yield* PrimitivesUnderTest
    const domain = fresh("applied")
    same(yield* appliedHead(domain), undefined, "before the first")
    for (const [position, expected] of [
      [3n, 3n],
      [2n, 3n],
      [3n, 3n],
      [10n, 10n],
      [9n, 10n]
    ] as const) {
      yield* advanceApplied(headAt(domain, position))
      same(yield* appliedHead(domain), headAt(domain, expected), `after ${position}`)
    }
    yield* advanceApplied({ ...headAt(domain, 10n), eventId: "another" })
    same(yield* appliedHead(domain), headAt(domain, 10n), "the same position again")
    same(yield* appliedHead(domain.toUpperCase()), undefined, "another domain")
  })
}

const states: PrimitiveLaw = {
  name: "an entity keeps its latest state, in whatever order states are written",
  check: Effect.gen(function* () {
    const { projectStates, readSnapshot } = yield* PrimitivesUnderTest
    const domain = fresh("states")
    const refs = ["a", "b", "c", "never"].map((key) => ({ domain, type: "thing", key }))
    const byKey = (one: State, other: State) => (one.key < other.key ? -1 : 1)
    const is = Effect.fnUntraced(function* (expected: ReadonlyArray<Event>) {
      const { states } = yield* readSnapshot(domain, [...refs, refs[0]!], [])
      same([...states].sort(byKey), expected.map(evolve), "states")
    })
    const [a1, b1, a2, b2, c1] = ["a", "b", "a", "b", "c"].map((key, i) =>
      eventOf(domain, BigInt(i) + 8n, key, i < 2 ? 1n : i < 4 ? 2n : 2n ** 62n + 1n)
    ) as [Event, Event, Event, Event, Event]
    const a3: Event = { ...eventOf(domain, 13n, "a", 3n), method: methods.del }
    const b12 = eventOf(domain, 14n, "b", 12n)
    yield* is([])
    yield* projectStates(domain, [a2, b1])
    // Late, early and again, in one write.
    yield* projectStates(domain, [a1, b12, c1])
    yield* is([a2, b12, c1])
    yield* projectStates(domain, [a3, b2])
    yield* projectStates(domain, [a2, c1])
    yield* is([a3, b12, c1])
    // What is to be found by may be less than before.
    const c2 = {
      ...eventOf(domain, 15n, "c", 2n ** 62n + 2n),
      entity: { ...c1.entity, values: {}, version: 2n ** 62n + 2n }
    }
    yield* projectStates(domain, [c2])
    yield* projectStates(domain, [c1])
    yield* is([a3, b12, c2])
  })
}

const events: PrimitiveLaw = {
  name: "events are written once, however often, and remembered under their keys, by position",
  check: Effect.gen(function* () {
    const { projectEvents, readSnapshot } = yield* PrimitivesUnderTest
    const domain = fresh("events")
    const made = [9n, 10n, 11n, 12n].map((position) => eventOf(domain, position, "a"))
    const key = made[0]!.idempotency!
    const recalled = Effect.map(readSnapshot(domain, [], [key, key]), ({ events }) => events)
    same(yield* recalled, [], "before")
    yield* projectEvents(domain, made.slice(1, 3))
    same(yield* recalled, made.slice(1, 3), "some")
    yield* projectEvents(domain, made)
    yield* projectEvents(domain, made.slice(0, 2))
    same(yield* recalled, made, "all")
    const others = [
      { ...key, key: "twice" },
      { ...key, caller: "other" }
    ]
    same((yield* readSnapshot(domain, [], others)).events, [], "other keys")
    same((yield* readSnapshot(fresh("events"), [], [key])).events, [], "another domain")
    assert.strictEqual((yield* readSnapshot(domain, [], [])).events.length, 0, "no keys")
  })
}

export const laws: ReadonlyArray<PrimitiveLaw> = [firstWins, race, positions, applied, states, events]

export const primitivesContract = (name: string, layer: Layer.Layer<PrimitivesUnderTest, unknown>) =>
  register(`primitives of commit records (${name})`, laws, layer)
