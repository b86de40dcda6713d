import fc from "fast-check"
import { afterAll, assert, beforeAll, describe, test } from "vitest"
import { Client } from "../../adapters/storage/postgres/client.ts"
import { addressOf } from "../../adapters/storage/postgres/connection.ts"
import {
  arrayText,
  type Bind,
  type Columns,
  candidates,
  compileFilter,
  compileSort,
  type Param
} from "../../adapters/storage/postgres/filter.ts"
import type { Entity } from "../../domain/entity.ts"
import type { Event } from "../../domain/event.ts"
import type { Json, JsonObject } from "../../domain/json.ts"
import { evaluate, type Subject } from "../../domain/query.ts"
import { meant, orderOf, queryOf } from "../contract/event-store/searching.ts"
import { useDictionary } from "../services/collation.ts"
import { postgresql } from "../services/postgres.ts"
import { use } from "../services/service.ts"
import { searches } from "../support/searches.ts"

// Filters and sorts as the server understands them, against what they mean.

const server = use(postgresql)
const dictionary = useDictionary(server)
let connection: Client

beforeAll(async () => {
  if (server.options.skip) return
  connection = new Client(addressOf({ addr: dictionary.addr() }), {})
  await connection.query(`
    CREATE TEMP TABLE entity (nth int, key text COLLATE "C", version bigint, "values" jsonb);
    CREATE TEMP TABLE event (nth int, id text COLLATE "C", time bigint, method text COLLATE "C", position bigint,
      request_id text COLLATE "C", erased boolean, domain text COLLATE "C", type text COLLATE "C",
      key text COLLATE "C", version bigint, "values" jsonb, claims jsonb)`)
})
afterAll(() => connection?.end())

const columns: Readonly<Record<Subject, Columns>> = {
  entity: { "entity.key": "key", "entity.version": "version", values: '"values"' },
  event: {
    id: "id",
    time: "time",
    method: "method",
    position: "position",
    request_id: "request_id",
    erased: "erased",
    "entity.domain": "domain",
    "entity.type": "type",
    "entity.key": "key",
    "entity.version": "version",
    values: '"values"',
    claims: "claims"
  }
}

const rowOf = (subject: Entity | Event, nth: number): ReadonlyArray<Param> => {
  if (!("entity" in subject)) return [String(nth), subject.key, subject.version, JSON.stringify(subject.values)]
  const { id, time, method, position, idempotency, erased, entity, claims } = subject
  const { domain, type, key, version, values } = entity
  const texts = [JSON.stringify(values), JSON.stringify(claims)]
  return [
    String(nth),
    id,
    time,
    method,
    position,
    idempotency?.key ?? null,
    erased,
    domain,
    type,
    key,
    version,
    ...texts
  ]
}

const fill = async (table: Subject, subjects: readonly (Entity | Event)[]): Promise<void> => {
  const rows = subjects.map(rowOf)
  const lists = rows[0]!.map((_, i) => arrayText(rows.map((row) => row[i]!)))
  const types = {
    entity: "int text bigint jsonb",
    event: "int text bigint text bigint text bool text text text bigint jsonb jsonb"
  }
  const given = types[table].split(" ").map((type, i) => `$${i + 1}::${type}[]`)
  await connection.query(`DELETE FROM ${table}`)
  await connection.query(`INSERT INTO ${table} SELECT * FROM unnest(${given.join(", ")})`, lists)
}

/** What is sent for a filter and a sort. */
const compiled = (table: Subject, filter: string, field: string, reverse: boolean) => {
  const params: Array<Param> = []
  const bind: Bind = (value, type) => `$${params.push(value)}::${type}`
  const where = compileFilter(queryOf(filter, table), columns[table], bind)
  const keys = compileSort(orderOf(field, reverse, table).at, columns[table], bind)
  const order = [...keys, table === "event" ? "position" : "key"].map((key) =>
    reverse ? `${key} DESC NULLS LAST` : `${key} ASC NULLS FIRST`
  )
  return { text: `SELECT nth FROM ${table} WHERE ${where} ORDER BY ${order.join(", ")}`, params }
}

const found = async (table: Subject, filter: string, field = "", reverse = false): Promise<ReadonlyArray<number>> => {
  const { text, params } = compiled(table, filter, field, reverse)
  return (await connection.query<{ readonly nth: number }>(text, params, "once")).map(({ nth }) => nth)
}

describe("what is compiled for PostgreSQL", server.options, () => {
  test.each<Subject>(["entity", "event"])("finds what the definition finds, in its order, by %s", async (table) => {
    const seen = { filters: 0, telling: 0, sorted: 0 }
    await fc.assert(
      fc.asyncProperty(searches(table), async ({ subjects, filters, field, reverse }) => {
        await fill(table, subjects)
        const expected = (filter: string, sort: string) =>
          meant(subjects, table, { filter, sort, reverse }).map((subject) => subjects.indexOf(subject))
        if (expected("", field).join() !== expected("", "").join()) seen.sorted++
        for (const filter of ["", ...filters]) {
          const should = expected(filter, field)
          assert.deepStrictEqual(
            [filter, field, ...(await found(table, filter, field, reverse))],
            [filter, field, ...should]
          )
          seen.filters++
          if (should.length > 0 && should.length < subjects.length) seen.telling++
        }
      }),
      { numRuns: 1_000 }
    )
    // A filter that finds all or nothing proves little.
    assert.isAtLeast(seen.filters, 5_000)
    assert.isAbove(seen.telling / seen.filters, 0.2)
    assert.isAbove(seen.sorted, 200)
  })

  test("for an index finds everything that passes, and need not find everything", async () => {
    const seen = { asked: 0, spared: 0 }
    await fc.assert(
      fc.asyncProperty(searches("entity"), async ({ subjects, filters }) => {
        await fill("entity", subjects)
        for (const filter of filters) {
          const condition = candidates(queryOf(filter, "entity"))
          if (condition === undefined) continue
          seen.asked++
          const text = 'SELECT nth FROM entity WHERE "values" @@ $1::jsonpath'
          const rows = await connection.query<{ readonly nth: number }>(text, [condition])
          for (const [nth, subject] of subjects.entries()) {
            const isCandidate = rows.some((row) => row.nth === nth)
            if (evaluate(queryOf(filter, "entity"), subject)) assert.isTrue(isCandidate, filter)
            else if (!isCandidate) seen.spared++
          }
        }
      }),
      { numRuns: 300 }
    )
    assert.isAbove(seen.asked, 100, "the index is asked something")
    assert.isAbove(seen.spared, seen.asked, "and need not find everything")
  })

  test("finds every double again", async () => {
    const double = fc.oneof(
      fc.double({ noNaN: true, noDefaultInfinity: true }),
      fc.bigInt({ min: -(2n ** 70n), max: 2n ** 70n }).map(Number),
      fc.integer({ min: 0, max: 1023 }).map((power) => 2 ** power)
    )
    await fc.assert(
      fc.asyncProperty(double, async (number) => {
        const text = JSON.stringify(number)
        await fill("entity", [{ domain: "d", type: "t", key: "k", values: { a: number }, version: 1n }])
        assert.deepStrictEqual(await found("entity", `{"a":${text}}`), [0])
        assert.deepStrictEqual(await found("entity", `{"a":{"$gte":${text},"$lte":${text}}}`), [0])
        assert.deepStrictEqual(await found("entity", `{"$or":[{"a":{"$lt":${text}}},{"a":{"$gt":${text}}}]}`), [])
      }),
      { numRuns: 500 }
    )
  })

  test("stays within the server's limits at the limits of filters", async () => {
    const path = Array(32).fill("a").join(".")
    let deep: Json = "x"
    for (let level = 0; level < 32; level++) deep = [{ a: deep }]
    const values = (deep as readonly JsonObject[])[0]!
    await fill("entity", [{ domain: "d", type: "t", key: "k", values, version: 1n }])
    const conditions = (length: number, one: string) => `{"$or":[${Array(length).fill(one).join(",")}]}`
    const list = `{"a":{"$in":[${Array(256).fill(1).join(",")}]}}`
    const not = `${'{"$not":'.repeat(30)}{"b":1}${"}".repeat(30)}`
    for (const filter of [conditions(256, '{"a":1}'), conditions(31, `{"${path}":1}`), conditions(124, list), not]) {
      assert.deepStrictEqual(await found("entity", filter, path, true), [])
      const condition = candidates(queryOf(filter, "entity"))
      if (condition !== undefined) await connection.query("SELECT '{}'::jsonb @@ $1::jsonpath", [condition])
    }
    assert.deepStrictEqual(await found("entity", `{"${path}":"x"}`, path), [0])
    assert.deepStrictEqual(await found("entity", `{"${path}":{"$exists":true}}`, "", true), [0])
  })

  test("holds nothing that a client wrote in its text, and keys and operands in quotes", async () => {
    const hostile = `x"; DROP TABLE entity; -- ' \\ $.* ? (@ == 1) \${a} $1`
    const key = JSON.stringify(hostile.replaceAll(/[\\.$]/g, "\\$&"))
    await fill("entity", [
      { domain: "d", type: "t", key: "k", values: { [hostile]: hostile, x: 1 }, version: 1n },
      { domain: "d", type: "t", key: "l", values: { x: 1 }, version: 1n }
    ])
    for (const [test, ...nths] of [
      [JSON.stringify(hostile), 0],
      [JSON.stringify({ $in: [hostile, 1] }), 0],
      [JSON.stringify({ $prefix: hostile }), 0],
      [JSON.stringify({ $gte: hostile }), 0],
      [JSON.stringify({ $exists: true }), 0],
      [JSON.stringify({ $ne: hostile }), 1]
    ] as const) {
      const filter = `{${key}:${test}}`
      assert.notMatch(compiled("entity", filter, JSON.parse(key) as string, false).text, /DROP|--|@ ==/)
      assert.deepStrictEqual(await found("entity", filter, JSON.parse(key) as string), nths)
    }
  })
})
