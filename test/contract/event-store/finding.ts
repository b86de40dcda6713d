// What searches find: what `evaluate` and `compareBy` say, of what exists, in one domain and type.

import { Effect } from "effect"
import fc from "fast-check"
import { assert } from "vitest"
import type { EventStore } from "../../../application/ports/EventStore.ts"
import type { Entity } from "../../../domain/entity.ts"
import { type Event, methods } from "../../../domain/event.ts"
import { compareText, type Subject } from "../../../domain/query.ts"
import { type Search, searches } from "../../support/searches.ts"
import { fresh, type Law, property, same } from "../law.ts"
import { entitiesOf, eventsOf, meant, type Wanted } from "./searching.ts"
import { append, commit, type Draft, del, entityOf, job, refIn, set } from "./writing.ts"

/** A random search, and which page of it is asked for. */
const pagedSearches = (subject: Subject) =>
  fc.record({ search: searches(subject), limit: fc.integer({ min: 1, max: 4 }), offset: fc.nat({ max: 3 }) })

const wantedOf = ({ filters, field, reverse }: Search, limit: number, offset: number): ReadonlyArray<Wanted> =>
  filters.flatMap((filter): ReadonlyArray<Wanted> => {
    const all = { filter, sort: field, reverse }
    return [all, { ...all, limit, offset }]
  })

const keysOf = (found: ReadonlyArray<Entity>) => found.map(({ key }) => key)
const positionsOf = (found: ReadonlyArray<Event>) => found.map(({ position }) => position)

const randomEntities: Law<EventStore> = {
  name: "searches of entities find what the definition finds, in its order, page by page",
  check: property(
    pagedSearches("entity"),
    60,
    Effect.fnUntraced(function* ({ search, limit, offset }) {
      const domain = fresh("search")
      const subjects = (search.subjects as ReadonlyArray<Entity>).map((entity) => ({
        ...entity,
        domain,
        type: "thing"
      }))
      yield* append(domain, subjects)
      for (const wanted of [{ reverse: search.reverse }, ...wantedOf(search, limit, offset)]) {
        const found = yield* entitiesOf(domain, "thing", wanted)
        same([wanted, keysOf(found)], [wanted, keysOf(meant(subjects, "entity", wanted))], "the keys found")
        for (const entity of found) {
          same(
            entityOf(entity),
            subjects.find(({ key }) => key === entity.key),
            "an entity as found"
          )
        }
      }
    })
  )
}

/** The times that were drawn, made to rise without leaving 64 bits. */
export const rising = (events: ReadonlyArray<Event>): ReadonlyArray<bigint> => {
  let last = 0n
  return [...events]
    .map(({ time }) => time)
    .sort((a, b) => (a < b ? -1 : 1))
    .map((time, i) => {
      const most = 2n ** 63n - BigInt(events.length - i)
      const capped = time < most ? time : most
      last = capped > last ? capped : last + 1n
      return last
    })
}

const randomEvents: Law<EventStore> = {
  name: "searches of events find what the definition finds, in its order, page by page, between two times",
  check: property(
    fc.record({ paged: pagedSearches("event"), from: fc.nat({ max: 7 }), to: fc.nat({ max: 7 }) }),
    60,
    Effect.fnUntraced(function* ({ paged: { search, limit, offset }, from, to }) {
      const domain = fresh("search")
      const drawn = search.subjects as ReadonlyArray<Event>
      const times = rising(drawn)
      const drafts = drawn.map(({ entity, method, claims, idempotency, erased }, i): Draft => {
        const type = entity.type === "7" ? "7" : "thing"
        const call = idempotency === undefined ? {} : { idempotency }
        return { key: entity.key, type, values: entity.values, method, claims, erased, time: times[i]!, ...call }
      })
      const events = yield* append(domain, drafts)
      for (const wanted of [{ reverse: search.reverse }, ...wantedOf(search, limit, offset)]) {
        for (const [min, max] of [
          [0n, 0n],
          [times[from] ?? 0n, 0n],
          [0n, times[to] ?? 0n],
          [times[from] ?? 0n, times[to] ?? 0n]
        ] as const) {
          const within = events.filter(
            ({ entity, time }) => entity.type === "thing" && time > min && (max === 0n || time < max)
          )
          const found = yield* eventsOf(domain, "thing", { ...wanted, min, max })
          const expected = meant(within, "event", wanted)
          same([wanted, min, max, positionsOf(found)], [wanted, min, max, positionsOf(expected)], "the positions found")
          same(found, expected, "the events found")
        }
      }
    })
  )
}

const existing: Law<EventStore> = {
  name: "only entities that exist are found, of the domain and type that were asked for",
  check: Effect.gen(function* () {
    const [domain, elsewhere] = [fresh("exist"), fresh("exist")]
    const put = (name: string, key: string, type?: string) => job(refIn(name, key, type), set({ here: true }))
    yield* commit(domain, [put(domain, "a"), put(domain, "b"), put(domain, "c"), put(domain, "d", "other")])
    yield* commit(elsewhere, [put(elsewhere, "e")])
    yield* commit(domain, [job(refIn(domain, "a"), del), job(refIn(domain, "b"), del)])
    yield* commit(domain, [put(domain, "b")])
    for (const wanted of [{}, { filter: '{"here":true}' }, { sort: "here" }]) {
      same(keysOf(yield* entitiesOf(domain, "thing", wanted)), ["b", "c"], "entities")
      same(keysOf(yield* entitiesOf(domain, "other", wanted)), ["d"], "entities of the other type")
      same(keysOf(yield* entitiesOf(elsewhere, "thing", wanted)), ["e"], "entities of the other domain")
    }
    const versions = (yield* entitiesOf(domain, "thing")).map(({ version }) => version)
    same(versions, [3n, 1n], "versions, tombstones counted")
    same(positionsOf(yield* eventsOf(domain, "thing")), [1n, 2n, 3n, 5n, 6n, 7n], "events, deletions included")
    same(positionsOf(yield* eventsOf(domain, "other")), [4n], "events of the other type")
  })
}

const orders: Law<EventStore> = {
  name: "without a sort, entities come by key in the order of code points, and events by position",
  check: Effect.gen(function* () {
    const domain = fresh("sorted")
    const keys = ["b", "a", "B", "é", "e\u0301", "z", "𝄞", "\uffff", "\ue000", "aa", "10", "9", "_", "%", "a.b", "a-b"]
    const made = yield* append(
      domain,
      keys.map((key) => ({ key }))
    )
    const sorted = [...keys].sort(compareText)
    same(keysOf(yield* entitiesOf(domain, "thing")), sorted, "by key")
    same(keysOf(yield* entitiesOf(domain, "thing", { reverse: true })), [...sorted].reverse(), "by key, reversed")
    same(keysOf(yield* entitiesOf(domain, "thing", { limit: 4, offset: 3 })), sorted.slice(3, 7), "a page")
    same(yield* eventsOf(domain, "thing"), made, "by position")
    same(yield* eventsOf(domain, "thing", { reverse: true }), [...made].reverse(), "by position, reversed")
    same(yield* eventsOf(domain, "thing", { limit: 4, offset: 3 }), made.slice(3, 7), "a page")
  })
}

const byField: Law<EventStore> = {
  name: "events are found by every field that they have",
  check: Effect.gen(function* () {
    const domain = fresh("fields")
    const made = yield* append(domain, [
      { key: "a", time: 2n ** 62n + 1n, values: { n: 1 } },
      { key: "b", claims: { sub: "me" } },
      { key: "a", method: methods.del, values: { n: 1 } },
      { key: "c", idempotency: { caller: "me", key: "once", hash: "h" }, erased: true }
    ])
    const filters: ReadonlyArray<readonly [filter: string, ...positions: ReadonlyArray<number>]> = [
      [`{"id":"${made[1]!.id}"}`, 2],
      [`{"position":{"$gt":2}}`, 3, 4],
      [`{"time":${2n ** 62n + 2n}}`, 2],
      [`{"time":{"$lte":"${2n ** 62n + 3n}"}}`, 1, 2, 3],
      [`{"method":"${methods.del}"}`, 3],
      [`{"request_id":"once"}`, 4],
      [`{"erased":true}`, 4],
      [`{"entity.domain":"${domain}"}`, 1, 2, 3, 4],
      [`{"entity.type":"thing","entity.key":"a"}`, 1, 3],
      [`{"entity.version":2}`, 3],
      [`{"entity.values.n":1}`, 1, 3],
      [`{"claims.sub":"me"}`, 2],
      [`{"$not":{"claims.sub":"me"}}`, 1, 3, 4]
    ]
    for (const [filter, ...positions] of filters)
      same(positionsOf(yield* eventsOf(domain, "thing", { filter })), positions.map(BigInt), filter)
    const byVersion = yield* eventsOf(domain, "thing", { sort: "entity.version", reverse: true })
    same(positionsOf(byVersion), [3n, 4n, 2n, 1n], "by version, reversed")
  })
}

const tooLarge: Law<EventStore> = {
  name: "a page that nobody could be sent is refused, and a smaller one is not",
  check: Effect.gen(function* () {
    const domain = fresh("large")
    const text = "x".repeat(1_000_000)
    for (const key of ["a", "b", "c", "d"]) yield* append(domain, [{ key, values: { text } }])
    const results = [yield* Effect.result(entitiesOf(domain, "thing")), yield* Effect.result(eventsOf(domain, "thing"))]
    for (const result of results)
      assert.strictEqual(result._tag === "Failure" ? result.failure._tag : "a page", "TooLarge")
    same(keysOf(yield* entitiesOf(domain, "thing", { limit: 2, offset: 1 })), ["b", "c"], "two entities")
    same(positionsOf(yield* eventsOf(domain, "thing", { limit: 2, offset: 1 })), [2n, 3n], "two events")
  })
}

export const finding = [randomEntities, randomEvents, existing, orders, byField, tooLarge]
