// What claims need of a store: an adapter that builds its port from them calls `primitivesContract` beside `contract`.

import { Context, Effect, type Layer } from "effect"
import { assert } from "vitest"
import type { ClaimRecord, Primitives } from "../../application/storage/commit-records/primitives.ts"
import type { Head } from "../../domain/batch.ts"
import type { State } from "../../domain/entity.ts"
import { type Event, evolve, methods } from "../../domain/event.ts"
import { fresh, type Law, register, same } from "./law.ts"

export class PrimitivesUnderTest extends Context.Service<PrimitivesUnderTest, Primitives>()(
  "stategate/test/contract/Primitives"
) {}

const record = (domain: string, position: bigint, more: Partial<ClaimRecord> = {}): ClaimRecord => ({
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
  first: 1n,
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

type ClaimLaw = Law<PrimitivesUnderTest>

const firstWins: ClaimLaw = {
  name: "a place belongs to who claimed it first, for ever, and everybody is told",
  check: Effect.gen(function* () {
    const { claim, claimed } = yield* PrimitivesUnderTest
    const domain = fresh("claim")
    const [mine, yours] = [record(domain, 1n), record(domain, 1n, { format: 7, text: "other" })]
    same(yield* claimed([mine]), [], "before")
    same(yield* claim(mine), mine, "the first")
    same(yield* claim(yours), mine, "the second")
    same(yield* claim(mine), mine, "the first once more")
    same(yield* claimed([mine]), [mine], "afterwards")
    const next = record(domain, 4n, { format: 7, text: "x".repeat(1_000_000) })
    same(yield* claim(next), next, "at another place, of a format that nobody knows")
    same(yield* claim(record(domain, 4n)), next, "and it is kept as it is")
  })
}

const race: ClaimLaw = {
  name: "of many who claim a place at once all are told the same one",
  check: Effect.gen(function* () {
    const { claim, claimed } = yield* PrimitivesUnderTest
    for (let round = 0n; round < 5n; round++) {
      const domain = fresh("race")
      const records = Array.from({ length: 8 }, () => record(domain, 1n))
      const winners = yield* Effect.forEach(records, claim, { concurrency: "unbounded" })
      for (const winner of winners) same(winner, winners[0], "the winner")
      same(yield* claimed([records[0]!]), [winners[0]], "who is there")
    }
  })
}

const places: ClaimLaw = {
  name: "of many places those are told that are claimed",
  check: Effect.gen(function* () {
    const { claim, claimed } = yield* PrimitivesUnderTest
    const domains = ["a", "b", "c", "A"].map((name) => `${name}${fresh("places")}`)
    const made = yield* Effect.forEach([domains[0]!, domains[2]!], (domain) => claim(record(domain, 9n)))
    const asked = domains.flatMap((domain) => [8n, 9n, 10n, 90n].map((position) => ({ domain, position })))
    const byDomain = (a: ClaimRecord, b: ClaimRecord) => (a.domain < b.domain ? -1 : 1)
    same([...(yield* claimed(asked))].sort(byDomain), [...made].sort(byDomain), "the records")
    same(yield* claimed([]), [], "of no places")
  })
}

const marks: ClaimLaw = {
  name: "a mark goes forward, as a whole, and never back",
  check: Effect.gen(function* () {
    const { mark, moveMark } = yield* PrimitivesUnderTest
    const domain = fresh("mark")
    same(yield* mark(domain), undefined, "before the first")
    for (const [position, expected] of [
      [3n, 3n],
      [2n, 3n],
      [3n, 3n],
      [10n, 10n],
      [9n, 10n]
    ] as const) {
      yield* moveMark(headAt(domain, position))
      same(yield* mark(domain), headAt(domain, expected), `after ${position}`)
    }
    yield* moveMark({ ...headAt(domain, 10n), eventId: "another" })
    same(yield* mark(domain), headAt(domain, 10n), "the same place again")
    same(yield* mark(domain.toUpperCase()), undefined, "another domain")
  })
}

const states: ClaimLaw = {
  name: "an entity keeps its latest state, in whatever order states are written",
  check: Effect.gen(function* () {
    const { projectStates, recall } = yield* PrimitivesUnderTest
    const domain = fresh("states")
    const refs = ["a", "b", "c", "never"].map((key) => ({ domain, type: "thing", key }))
    const byKey = (one: State, other: State) => (one.key < other.key ? -1 : 1)
    const is = Effect.fnUntraced(function* (expected: ReadonlyArray<Event>) {
      const { states } = yield* recall(domain, [...refs, refs[0]!], [])
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

const events: ClaimLaw = {
  name: "events are written once, however often, and remembered under their keys, by position",
  check: Effect.gen(function* () {
    const { projectEvents, recall } = yield* PrimitivesUnderTest
    const domain = fresh("events")
    const made = [9n, 10n, 11n, 12n].map((position) => eventOf(domain, position, "a"))
    const key = made[0]!.idempotency!
    const recalled = Effect.map(recall(domain, [], [key, key]), ({ events }) => events)
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
    same((yield* recall(domain, [], others)).events, [], "other keys")
    same((yield* recall(fresh("events"), [], [key])).events, [], "another domain")
    assert.strictEqual((yield* recall(domain, [], [])).events.length, 0, "no keys")
  })
}

export const laws: ReadonlyArray<ClaimLaw> = [firstWins, race, places, marks, states, events]

export const primitivesContract = (name: string, layer: Layer.Layer<PrimitivesUnderTest, unknown>) =>
  register(`what claims need (${name})`, laws, layer)
