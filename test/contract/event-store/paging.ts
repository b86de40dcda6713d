// Pages: what goes from one to the next sees each item once, in the order, to the end.

import { Effect } from "effect"
import fc from "fast-check"
import { assert } from "vitest"
import type { EventStore, Page } from "../../../application/ports/EventStore.ts"
import type { Entity } from "../../../domain/entity.ts"
import type { Event } from "../../../domain/event.ts"
import { type Subject, sortKey } from "../../../domain/query.ts"
import { searches } from "../../support/searches.ts"
import { fresh, type Law, property, same } from "../law.ts"
import { rising } from "./finding.ts"
import { entityPage, eventPage, itemsOf, meant, orderOf, type Wanted, walk } from "./searching.ts"
import { append, commit, type Draft, del, job, refIn, set } from "./writing.ts"

/** Each asks for dozens of pages, for which some servers take long. */
const walkRuns = 12

const walked = (subject: Subject) =>
  fc.record({
    search: searches(subject),
    limits: fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 3 }),
    offset: fc.nat({ max: 2 })
  })

const keysOf = (pages: ReadonlyArray<Page<Entity>>) => pages.flatMap(itemsOf).map(({ key }) => key)
const positionsOf = (pages: ReadonlyArray<Page<Event>>) => pages.flatMap(itemsOf).map(({ position }) => position)

const entitiesOn = (domain: string, wanted: Wanted, limits: ReadonlyArray<number>, between?: Between) =>
  walk(
    orderOf(wanted.sort ?? "", wanted.reverse ?? false, "entity"),
    pagesOf(entityPage, domain, wanted),
    limits,
    between
  )

const eventsOn = (domain: string, wanted: Wanted, limits: ReadonlyArray<number>, between?: Between) =>
  walk(
    orderOf(wanted.sort ?? "", wanted.reverse ?? false, "event"),
    pagesOf(eventPage, domain, wanted),
    limits,
    between
  )

type Between = Parameters<typeof walk<Entity, unknown, EventStore>>[3]

/** Only the first page has an offset. */
const pagesOf =
  <Item>(
    page: (domain: string, type: string, wanted: Wanted) => Effect.Effect<Page<Item>, unknown, EventStore>,
    domain: string,
    wanted: Wanted
  ) =>
  (more: Pick<Wanted, "limit" | "after">) =>
    page(domain, "thing", { ...wanted, ...(more.after === undefined ? {} : { offset: 0 }), ...more })

/** That all but the last page are full, where none may hold less, and that each item comes with its place. */
const checkPages = (
  pages: ReadonlyArray<Page<Entity | Event>>,
  wanted: Wanted,
  subject: Subject,
  limits: ReadonlyArray<number>
) => {
  const order = orderOf(wanted.sort ?? "", wanted.reverse ?? false, subject)
  for (const [i, { hits, last }] of pages.entries()) {
    if (last !== undefined)
      assert.strictEqual(hits.length, limits[i % limits.length], "items of a page with another behind")
    for (const { item, key } of hits) same(key, sortKey(order, item), "the place of an item")
  }
}

const randomEntities: Law<EventStore> = {
  name: "pages of entities go through what the definition finds, in its order, to the end",
  check: property(
    walked("entity"),
    walkRuns,
    Effect.fnUntraced(function* ({ search: { subjects, filters, field, reverse }, limits, offset }) {
      const domain = fresh("pages")
      const entities = (subjects as ReadonlyArray<Entity>).map((entity) => ({ ...entity, domain, type: "thing" }))
      yield* append(domain, entities)
      for (const filter of ["", ...filters.slice(0, 1)]) {
        for (const sort of ["", field]) {
          const wanted = { filter, sort, reverse, offset }
          const pages = yield* entitiesOn(domain, wanted, limits)
          same(
            [wanted, limits, keysOf(pages)],
            [wanted, limits, meant(entities, "entity", wanted).map(({ key }) => key)],
            "keys"
          )
          checkPages(pages, wanted, "entity", limits)
        }
      }
    })
  )
}

const randomEvents: Law<EventStore> = {
  name: "pages of events go through what the definition finds, in its order, between two times, to the end",
  check: property(
    fc.record({ of: walked("event"), from: fc.nat({ max: 7 }), to: fc.nat({ max: 7 }) }),
    walkRuns,
    Effect.fnUntraced(function* ({ of: { search, limits, offset }, from, to }) {
      const { filters, field, reverse } = search
      const domain = fresh("pages")
      const drawn = search.subjects as ReadonlyArray<Event>
      const times = rising(drawn)
      const drafts = drawn.map(({ entity, method, claims, erased }, i): Draft => {
        const type = entity.type === "7" ? "7" : "thing"
        return { key: entity.key, type, values: entity.values, method, claims, erased, time: times[i]! }
      })
      const events = yield* append(domain, drafts)
      for (const filter of ["", ...filters.slice(0, 1)]) {
        for (const sort of ["", field]) {
          for (const [min, max] of [
            [0n, 0n],
            [times[from] ?? 0n, times[to] ?? 0n]
          ] as const) {
            const wanted = { filter, sort, reverse, offset, min, max }
            const within = events.filter(
              ({ entity, time }) => entity.type === "thing" && time > min && (max === 0n || time < max)
            )
            const pages = yield* eventsOn(domain, wanted, limits)
            const expected = meant(within, "event", wanted).map(({ position }) => position)
            same([wanted, limits, positionsOf(pages)], [wanted, limits, expected], "positions")
            checkPages(pages, wanted, "event", limits)
          }
        }
      }
    })
  )
}

const alike: Law<EventStore> = {
  name: "what is sorted alike comes by key or position, each once, however it falls into pages",
  check: Effect.gen(function* () {
    const domain = fresh("alike")
    const count = 9
    const values = [{}, { n: 1 }, { n: "1" }]
    const drafts = Array.from({ length: count }, (_, i) => ({ key: `k${i}`, values: values[i % values.length]! }))
    const events = yield* append(domain, drafts)
    const entities = events.map(({ entity }) => entity)
    for (const reverse of [false, true]) {
      for (const limits of [[1], [2], [4], [count]]) {
        const byN = { sort: "n", reverse }
        const keys = meant(entities, "entity", byN).map(({ key }) => key)
        same(keysOf(yield* entitiesOn(domain, byN, limits)), keys, "entities")
        const byValue = { sort: "entity.values.n", reverse }
        const positions = meant(events, "event", byValue).map(({ position }) => position)
        same(positionsOf(yield* eventsOn(domain, byValue, limits)), positions, "events")
      }
    }
  })
}

const lastPage: Law<EventStore> = {
  name: "a page that leaves nothing over is the last one",
  check: Effect.gen(function* () {
    const domain = fresh("last")
    yield* append(domain, [{ key: "other", type: "other" }, { key: "a" }, { key: "b" }, { key: "c" }, { key: "d" }])
    yield* append(domain, [{ key: "z", type: "other" }])
    for (const reverse of [false, true]) {
      for (const sort of ["", ".version"]) {
        same((yield* entitiesOn(domain, { sort, reverse }, [2])).length, 2, "pages of two entities")
        same((yield* entitiesOn(domain, { sort, reverse }, [4])).length, 1, "pages of four entities")
      }
      for (const sort of ["", "time"]) {
        same((yield* eventsOn(domain, { sort, reverse }, [2])).length, 2, "pages of two events")
        same((yield* eventsOn(domain, { sort, reverse }, [4])).length, 1, "pages of four events")
      }
    }
    same(yield* entityPage(fresh("none"), "thing"), { hits: [] }, "of a domain that nobody used")
    same(yield* eventPage(fresh("none"), "thing"), { hits: [] }, "events of a domain that nobody used")
  })
}

const changing: Law<EventStore> = {
  name: "what does not change while others write comes once, in order, also where a page ended at what is gone",
  check: Effect.gen(function* () {
    for (const [sort, reverse] of [
      ["", false],
      ["", true],
      ["n", false],
      ["n", true]
    ] as const) {
      const domain = fresh("changing")
      const values = (n: number) => ({ n: n % 3, at: n })
      const rows = Array.from({ length: 12 }, (_, n) => ({ key: `k${String(n).padStart(2, "0")}`, values: values(n) }))
      yield* append(domain, rows)
      // Between the pages those with an odd number go, or move; and others come, before and behind.
      let turn = 0
      const between = Effect.suspend(() => {
        const odd = refIn(domain, rows[(2 * turn + 1) % rows.length]!.key)
        const change = turn % 2 === 0 ? del : set({ n: 7, moved: true })
        const others = ["a", "k05x", "z"].map((name) => job(refIn(domain, `${name}${turn}`), set({ n: turn % 3 })))
        turn++
        return commit(domain, [job(odd, change), ...others])
      })
      const isStill = (key: string) => /^k\d[02468]$/.test(key)
      const still = rows
        .filter(({ key }) => isStill(key))
        .map((row) => ({ domain, type: "thing", version: 1n, ...row }))
      const pages = yield* entitiesOn(domain, { sort, reverse }, [2, 1, 3], between)
      const expected = meant(still, "entity", { sort, reverse }).map(({ key }) => key)
      same(keysOf(pages).filter(isStill), expected, `by ${sort || "key"}, ${reverse ? "down" : "up"}`)
    }
  })
}

const goneOn: Law<EventStore> = {
  name: "a page goes on behind a place, whether or not anything is there",
  check: Effect.gen(function* () {
    const domain = fresh("behind")
    yield* append(
      domain,
      ["b", "d", "f"].map((key, n) => ({ key, values: { n } }))
    )
    const keys = (wanted: Wanted) =>
      Effect.map(entityPage(domain, "thing", wanted), (page) => itemsOf(page).map(({ key }) => key))
    const behind = (tie: string, value?: number) => ({ after: { tie, value } })
    same(yield* keys(behind("c")), ["d", "f"], "up")
    same(yield* keys(behind("d")), ["f"], "up from one that is there")
    same(yield* keys({ ...behind("e"), reverse: true }), ["d", "b"], "down")
    same(yield* keys({ ...behind("d"), reverse: true }), ["b"], "down from one that is there")
    same(yield* keys({ ...behind("a", 1), sort: "n" }), ["d", "f"], "sorted, before one that is sorted alike")
    same(yield* keys({ ...behind("x", 1), sort: "n" }), ["f"], "sorted, behind it")
    same(yield* keys({ ...behind("x", 0.5), sort: "n", reverse: true }), ["b"], "sorted, down")
    same(yield* keys({ ...behind("z") }), [], "at the end")
    const positions = (tie: bigint, reverse = false) =>
      Effect.map(eventPage(domain, "thing", { after: { tie, value: undefined }, reverse }), (page) =>
        positionsOf([page])
      )
    same(yield* positions(1n), [2n, 3n], "events")
    same(yield* positions(3n, true), [2n, 1n], "events, down")
    same(yield* positions(9n), [], "events beyond the head")
    same(yield* positions(9n, true), [3n, 2n, 1n], "events down from beyond the head")
    same(yield* positions(2n ** 63n - 1n), [], "events beyond all")
  })
}

const byBytes: Law<EventStore> = {
  name: "a page that may hold less than is asked for holds what can be served, and the next one the rest",
  check: Effect.gen(function* () {
    const domain = fresh("partial")
    const text = "x".repeat(1_000_000)
    const keys = ["a", "b", "c", "d", "e"]
    for (const [n, key] of keys.entries()) yield* append(domain, [{ key, values: { n, text } }])
    for (const sort of ["", "n"]) {
      const pages = yield* entitiesOn(domain, { sort, partial: true }, [10])
      same(keysOf(pages), keys, "entities")
      same(
        pages.map(({ hits }) => hits.length),
        [3, 2],
        "entities of each page"
      )
    }
    const pages = yield* eventsOn(domain, { partial: true, reverse: true }, [10])
    same(positionsOf(pages), [5n, 4n, 3n, 2n, 1n], "events")
    same(
      pages.map(({ hits }) => hits.length),
      [3, 2],
      "events of each page"
    )
  })
}

const ofOneEntity: Law<EventStore> = {
  name: "pages go through the events of one entity among those of others",
  check: Effect.gen(function* () {
    const domain = fresh("history")
    const keys = Array.from({ length: 20 }, (_, n) => (n % 2 === 0 ? "a" : `k${n}`))
    const events = yield* append(
      domain,
      keys.map((key) => ({ key }))
    )
    for (const reverse of [false, true]) {
      for (const filter of ['{"entity.key":"a"}', '{"entity.key":"a","position":{"$gt":4,"$lte":15}}']) {
        const wanted = { filter, reverse }
        const expected = meant(events, "event", wanted).map(({ position }) => position)
        same(positionsOf(yield* eventsOn(domain, wanted, [3, 1])), expected, filter)
        // From a place that is of another entity.
        const after = { tie: 10n, value: undefined }
        const page = yield* eventPage(domain, "thing", { ...wanted, after })
        const rest = expected.filter((position) => (reverse ? position < 10n : position > 10n))
        same(positionsOf([page]), rest, `${filter} behind another entity's`)
      }
    }
  })
}

export const paging = [randomEntities, randomEvents, alike, lastPage, changing, goneOn, byBytes, ofOneEntity]
