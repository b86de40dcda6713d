import { type Effect, Exit, ManagedRuntime } from "effect"
import { afterAll, assert, beforeAll, describe, test } from "vitest"
import type { Client } from "../../adapters/storage/postgres/client.ts"
import { compileSearch, entitySource, eventSource } from "../../adapters/storage/postgres/search.ts"
import * as statements from "../../adapters/storage/postgres/statements.ts"
import { layer } from "../../adapters/storage/postgres/store.ts"
import { scanRowsMax } from "../../application/limits.ts"
import { type EventSearch, EventStore, type Page } from "../../application/ports/EventStore.ts"
import type { Entity } from "../../domain/entity.ts"
import type { Event } from "../../domain/event.ts"
import { itemsOf, orderOf, queryOf, type Wanted, walk } from "../contract/event-store/searching.ts"
import { append } from "../contract/event-store/writing.ts"
import type { PostgresPlace } from "../services/postgres.ts"
import { postgresWorld } from "./postgres-world.ts"

// Searches over more rows than anyone is served, and the indexes that spare the server most of them.

const { server, stranger, connection } = postgresWorld()
const domain = "wide"
let place: PostgresPlace
let runtime: ManagedRuntime.ManagedRuntime<EventStore, unknown>

beforeAll(async () => {
  if (server.options.skip) return
  place = server.fresh()
  runtime = ManagedRuntime.make(layer(place))
  await runtime.runPromise(append(domain, [{ key: "first", type: "other" }]))
  const sql = stranger(place)
  // As many commits would leave them, one for each number.
  const rows = sql`
    from domains, generate_series(1, ${scanRowsMax + 1}) as n,
      lateral (select lpad(n::text, 7, '0') as key,
        format('{"n":%s,"half":%s,"tags":[{"a":%s},{"a":%s}],"to":{"city":"c%s"}}', n, n % 2, n, -n, n % 1000) as json) as made`
  await sql`insert into entities select id, 'row', made.key, 1, false, made.json ${rows}`
  await sql`
    insert into events select id, n + 1, n::text, 2000000000000000000 + n, '', 'row', made.key, 1, made.json, '{}', null, null, null, null, false
    ${rows}`
  await sql`
    insert into domains (name, incarnation, position, time, event_id, moved)
    select 'quiet ' || n, '', 1, 1, '', '3' from generate_series(1, 5000) as n`
  await sql`analyze`
}, 120_000)
afterAll(() => runtime?.dispose())

const searchOf = (subject: "entity" | "event", { filter = "", sort = "", ...more }: Wanted): EventSearch => ({
  domain,
  type: "row",
  query: queryOf(filter, subject),
  order: orderOf(sort, more.reverse ?? false, subject),
  limit: 10,
  offset: 0,
  min: 0n,
  max: 0n,
  ...more
})

const found = async (wanted: Wanted) => {
  const entities = EventStore.use((store) => store.entities(searchOf("entity", wanted)))
  return itemsOf(await runtime.runPromise(entities)).map(({ values }) => values["n"])
}

/** How the server goes about it. */
const planOf = async (
  on: Client,
  text: string,
  params: ReadonlyArray<string | bigint | boolean | null>,
  options = "COSTS ON"
) => {
  const rows = await on.query<Record<"QUERY PLAN", string>>(`EXPLAIN (${options}) ${text}`, params, "once")
  return rows.map((row) => row["QUERY PLAN"]).join("\n")
}

const searchPlan = async (subject: "entity" | "event", wanted: Wanted, options?: string) => {
  const on = connection(place)
  const [row] = await on.query<{ readonly id: bigint }>(statements.domainByName, [domain])
  const search = searchOf(subject, wanted)
  const { text, params } = compileSearch(
    search,
    subject === "entity" ? entitySource(search) : eventSource(search),
    row!.id
  )
  return await planOf(on, text, params, options)
}

describe("a search of many entities on PostgreSQL", server.options, () => {
  test.each([
    '{"n":5}',
    '{"tags.a":-5}',
    '{"to.city":"c7","half":1}',
    '{"n":{"$in":[1,2,3]},"half":{"$gt":0}}',
    '{"$or":[{"n":1},{"to.city":"c7"}]}',
    '{"to.city":"c7","$not":{"n":7}}'
  ])("finds by index what equals: %s", async (filter) => {
    assert.match(await searchPlan("entity", { filter, sort: "n" }), /Bitmap Index Scan on entities_by_value/)
  })

  test("finds it however many entities there are", async () => {
    assert.deepStrictEqual(await found({ filter: '{"n":77777}' }), [77_777])
    assert.deepStrictEqual(await found({ filter: '{"tags.a":-77777}', sort: "n" }), [77_777])
    assert.deepStrictEqual(
      await found({ filter: '{"to.city":"c7"}', sort: "n", reverse: true, limit: 2 }),
      [99_007, 98_007]
    )
  })

  test("serves a page that is found early", async () => {
    assert.deepStrictEqual(await found({ filter: '{"n":{"$gt":5000}}', limit: 2 }), [5001, 5002])
    assert.deepStrictEqual(await found({ limit: 2, offset: 9000 }), [9001, 9002])
    assert.deepStrictEqual(await found({ reverse: true, limit: 1 }), [scanRowsMax + 1])
    const last = { filter: `{"n":{"$gt":${scanRowsMax - 1}}}` }
    assert.deepStrictEqual(await found({ ...last, limit: 1 }), [scanRowsMax])
    assert.deepStrictEqual(await found({ filter: '{"n":{"$lte":2}}', reverse: false, limit: 2 }), [1, 2])
  })

  test.each<readonly [string, Wanted]>([
    ["a filter that nothing passes", { filter: '{"n":{"$lt":0}}' }],
    ["a page that is not filled", { filter: `{"n":{"$gte":${scanRowsMax}}}`, limit: 3 }],
    ["a page that is not filled, far from the first", { filter: '{"n":{"$lt":5}}', limit: 1, offset: 5 }],
    ["a sort", { sort: "n" }],
    ["an index that finds too many", { filter: '{"$or":[{"half":0},{"half":1}]}', sort: "n" }]
  ])("says that there is too much to look at: %s", async (_, wanted) => {
    const exit = await runtime.runPromiseExit(EventStore.use((store) => store.entities(searchOf("entity", wanted))))
    assert.isTrue(Exit.isFailure(exit))
    assert.include(String(exit), "TooLarge")
    // On a machine that is busy the server may not have come as far.
    assert.match(JSON.stringify(exit), /would look at more than|takes too long/)
  })

  test("goes on to the last of them, page by page", async () => {
    for (const wanted of [{ reverse: true }, { filter: '{"n":{"$gt":500}}' }]) {
      const order = orderOf("", wanted.reverse ?? false, "entity")
      const search = (more: Wanted) =>
        EventStore.use((store) => store.entities(searchOf("entity", { ...wanted, ...more })))
      const pages = await runtime.runPromise(walk(order, search, [1000]))
      const numbers = pages.flatMap(itemsOf).map(({ values }) => Number(values["n"]))
      const first = wanted.filter === undefined ? 1 : 501
      const expected = Array.from({ length: scanRowsMax + 2 - first }, (_, i) => first + i)
      assert.deepStrictEqual(numbers, wanted.reverse ? expected.reverse() : expected)
    }
  })

  test("goes on behind the rows that it looked at, where it may find less than is asked for", async () => {
    for (const [subject, key] of [
      ["entity", "n"],
      ["event", "entity.values.n"]
    ] as const) {
      for (const [reverse, n] of [
        [false, scanRowsMax + 1],
        [true, 1]
      ] as const) {
        const wanted = { filter: `{"${key}":{"$gte":${n},"$lte":${n}}}`, reverse, partial: true }
        const search = (more: Wanted) =>
          EventStore.use((store): Effect.Effect<Page<Entity | Event>, unknown> => {
            const asked = searchOf(subject, { ...wanted, ...more })
            return subject === "entity" ? store.entities(asked) : store.events(asked)
          })
        const pages = await runtime.runPromise(walk(orderOf("", reverse, subject), search, [10]))
        assert.deepStrictEqual(
          pages.map(({ hits }) => hits.length),
          [0, 1],
          `${subject} ${reverse}`
        )
      }
    }
  })

  test("is given up when it takes too long", async () => {
    const conditions = Array.from({ length: 250 }, (_, i) => ({ "tags.a": { $gt: 10_000_000 + i } }))
    const search = searchOf("entity", { filter: JSON.stringify({ $or: conditions }) })
    const exit = await runtime.runPromiseExit(EventStore.use((store) => store.entities(search)))
    // A quick server may have seen all that it may look at before.
    assert.match(JSON.stringify(exit), /"TooLarge".*(takes too long|would look at more than)/)
    assert.deepStrictEqual(await found({ filter: '{"n":5}' }), [5])
  })
})

describe("PostgreSQL goes by an index", server.options, () => {
  test("from page to page, without a sort", async () => {
    for (const wanted of [{}, { reverse: true }, { filter: '{"n":{"$gt":5000}}' }]) {
      const plan = await searchPlan("entity", wanted)
      assert.match(plan, /Index Scan (Backward )?using entities_pkey/)
      assert.notMatch(plan, /Seq Scan|entities_by_value/)
    }
  })

  test("to where a page begins, of entities, of events and of the events of one entity", async () => {
    for (const reverse of [false, true]) {
      const sign = reverse ? "<" : ">"
      const entities = await searchPlan("entity", { reverse, after: { tie: "0050000", value: undefined } })
      assert.match(entities, new RegExp(`using entities_pkey.*\\n.*Index Cond: .*key ${sign} '0050000'`))
      const after = { tie: 50_000n, value: undefined }
      const events = await searchPlan("event", { reverse, after })
      assert.match(events, new RegExp(`using events_by_time.*\\n.*Index Cond: .*"time" ${sign}= COALESCE`))
      const ofOne = await searchPlan("event", { reverse, after, filter: '{"entity.key":"0077777"}' })
      assert.match(ofOne, new RegExp(`using events_by_version.*\\n.*Index Cond: .*version ${sign}= COALESCE`))
      for (const plan of [entities, events, ofOne]) assert.notMatch(plan, /Seq Scan/)
    }
    // Of the thousands behind it no more are looked at than are served, and one.
    const looked = await searchPlan(
      "entity",
      { limit: 10, after: { tie: "0050000", value: undefined } },
      "ANALYZE, TIMING OFF"
    )
    assert.match(looked, /entities_pkey on entities .*actual rows=1[0-2] /)
    const manual = await searchPlan("entity", { filter: '{".key":{"$gt":"0050000"}}' })
    assert.match(manual, /using entities_pkey.*\n.*Index Cond: .*key > '0050000'/)
  })

  test("to the events between two times", async () => {
    const plan = await searchPlan("event", { min: 2_000_000_000_000_000_100n, max: 2_000_000_000_000_000_200n })
    assert.match(plan, /Index Scan using events_by_time.*\n.*time" >.*time" <=/)
  })

  test("to the events of one entity, however many others there are", async () => {
    const wanted = { filter: `{"entity.key":"0077777","entity.values.n":77777}`, sort: "entity.values.n" }
    assert.match(await searchPlan("event", wanted), /events_by_version/)
    const search = EventStore.use((store) => store.events(searchOf("event", wanted)))
    assert.deepStrictEqual(
      itemsOf(await runtime.runPromise(search)).map(({ position }) => position),
      [77_778n]
    )
  })

  test("to the heads that moved, and to what follows a position", async () => {
    const on = connection(place)
    const [now] = await on.query<{ readonly token: string }>(statements.tokenOfNow)
    assert.match(await planOf(on, statements.domainsSince, [now!.token]), /Index (Only )?Scan.* domains_by_moved/)
    assert.match(await planOf(on, statements.eventsAfter, [domain, 5n, 10n]), /Index Scan using events_pkey/)
  })
})
