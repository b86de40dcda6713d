import { DatabaseSync } from "node:sqlite"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { type Columns, compileFilter, compileSortKeys } from "../../adapters/storage/sqlite/filter.ts"
import type { Entity } from "../../domain/entity.ts"
import type { Event } from "../../domain/event.ts"
import type { Json, JsonObject } from "../../domain/json.ts"
import { compareBy, evaluate, type Order, parseQuery, parseSort, type Query, type Subject } from "../../domain/query.ts"
import { searches } from "../support/searches.ts"

/** The whole order as SQL: the keys, and what settles ties. */
const compileOrder = ({ subject, at, reverse }: Order, of: Columns) => {
  const keys = compileSortKeys(at, of)
  const tie = of[subject === "entity" ? "entity.key" : "position"]
  const direction = reverse ? "DESC" : "ASC"
  return {
    sql: [...keys.map(({ sql }) => sql), tie].map((key) => `${key} ${direction}`).join(", "),
    params: keys.flatMap(({ params }) => params)
  }
}

const database = new DatabaseSync(":memory:")
database.exec(`
  CREATE TABLE entity (key TEXT PRIMARY KEY, "values" TEXT NOT NULL);
  CREATE TABLE event (position INTEGER PRIMARY KEY, id TEXT NOT NULL, time INTEGER NOT NULL, method TEXT NOT NULL,
    domain TEXT NOT NULL, type TEXT NOT NULL, key TEXT NOT NULL, version INTEGER NOT NULL, "values" TEXT NOT NULL,
    claims TEXT NOT NULL, request_id TEXT, erased INTEGER NOT NULL)`)

const columns: Readonly<Record<Subject, Columns>> = {
  entity: { values: 'entity."values"', "entity.key": "entity.key" },
  event: {
    id: "event.id",
    time: "event.time",
    method: "event.method",
    position: "event.position",
    request_id: "event.request_id",
    erased: "event.erased",
    "entity.domain": "event.domain",
    "entity.type": "event.type",
    "entity.key": "event.key",
    "entity.version": "event.version",
    values: 'event."values"',
    claims: "event.claims"
  }
}

const insertEntity = database.prepare("INSERT INTO entity VALUES (?, ?)")
const insertEvent = database.prepare("INSERT INTO event VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")

const store = (subjects: readonly (Entity | Event)[]): void => {
  database.exec("DELETE FROM entity; DELETE FROM event")
  for (const subject of subjects) {
    if (!("entity" in subject)) {
      insertEntity.run(subject.key, JSON.stringify(subject.values))
      continue
    }
    const { domain, type, key, version, values } = subject.entity
    const { position, id, time, method, claims, idempotency, erased } = subject
    const json = [JSON.stringify(values), JSON.stringify(claims)] as const
    insertEvent.run(
      position,
      id,
      time,
      method,
      domain,
      type,
      key,
      version,
      ...json,
      idempotency?.key ?? null,
      Number(erased)
    )
  }
}

const nameOf = (subject: Entity | Event): string => ("entity" in subject ? String(subject.position) : subject.key)

/** What the database finds, in its order. */
const found = (query: Query, order: Order): readonly string[] => {
  const where = compileFilter(query, columns[order.subject])
  const by = compileOrder(order, columns[order.subject])
  const name = order.subject === "event" ? "CAST(position AS TEXT)" : "key"
  const sql = `SELECT ${name} AS name FROM ${order.subject} WHERE ${where.sql} ORDER BY ${by.sql}`
  const rows = database.prepare(sql).all(...where.params, ...by.params)
  return rows.map((row) => row.name as string)
}

/** What the definition finds. */
const meant = (query: Query, order: Order, subjects: readonly (Entity | Event)[]): readonly string[] =>
  subjects
    .filter((subject) => evaluate(query, subject))
    .sort(compareBy(order))
    .map(nameOf)

const query = (text: string, subject: Subject = "entity"): Query => {
  const parsed = parseQuery(text, subject)
  if (!parsed.ok) throw new Error(`${parsed.problem} in ${text}`)
  return parsed.query
}

const order = (field: string, reverse: boolean, subject: Subject = "entity"): Order => {
  const parsed = parseSort(field, reverse, subject)
  if (!parsed.ok) throw new Error(`${parsed.problem} in ${field}`)
  return parsed.order
}

describe.each<Subject>(["entity", "event"])("a search compiled to SQLite, by %s", (subject) => {
  it("finds what the definition finds, in its order", { timeout: 120_000 }, () => {
    const seen = { filters: 0, telling: 0, sorted: 0 }
    fc.assert(
      fc.property(searches(subject), ({ subjects, filters, field, reverse }) => {
        store(subjects)
        const by = order(field, reverse, subject)
        const all = meant(query("", subject), by, subjects)
        expect(found(query("", subject), by)).toEqual(all)
        if (all.join() !== meant(query("", subject), order("", reverse, subject), subjects).join()) seen.sorted++
        for (const text of filters) {
          const expected = meant(query(text, subject), by, subjects)
          expect([text, field, ...found(query(text, subject), by)]).toEqual([text, field, ...expected])
          seen.filters++
          if (expected.length > 0 && expected.length < subjects.length) seen.telling++
        }
      }),
      { numRuns: 1_000 }
    )
    // A filter that finds all or nothing proves little.
    expect(seen.filters).toBeGreaterThanOrEqual(5_000)
    expect(seen.telling / seen.filters).toBeGreaterThan(0.25)
    expect(seen.sorted).toBeGreaterThan(200)
  })
})

describe("a search compiled to SQLite", () => {
  it("finds every double again", () => {
    const double = fc.oneof(
      fc.double({ noNaN: true, noDefaultInfinity: true }),
      fc.bigInt({ min: -(2n ** 70n), max: 2n ** 70n }).map(Number),
      fc.integer({ min: 0, max: 1023 }).map((power) => 2 ** power)
    )
    fc.assert(
      fc.property(double, (number) => {
        const text = JSON.stringify(number)
        store([{ domain: "d", type: "t", key: "k", values: { a: number }, version: 1n }])
        expect(found(query(`{"a":${text}}`), order("", false))).toEqual(["k"])
        expect(found(query(`{"a":{"$gte":${text},"$lte":${text}}}`), order("", false))).toEqual(["k"])
        expect(found(query(`{"$or":[{"a":{"$lt":${text}}},{"a":{"$gt":${text}}}]}`), order("", false))).toEqual([])
      }),
      { numRuns: 2_000 }
    )
  })

  it("stays within SQLite's limits at the limits of filters", () => {
    const path = Array(32).fill("a").join(".")
    let deep: Json = "x"
    for (let level = 0; level < 32; level++) deep = [{ a: deep }]
    store([{ domain: "d", type: "t", key: "k", values: (deep as readonly JsonObject[])[0]!, version: 1n }])
    const conditions = (length: number, one: string) => `{"$or":[${Array(length).fill(one).join(",")}]}`
    const list = `{"a":{"$in":[${Array(256).fill(1).join(",")}]}}`
    const not = `${'{"$not":'.repeat(30)}{"b":1}${"}".repeat(30)}`
    const nothing = [conditions(256, '{"a":1}'), conditions(31, `{"${path}":1}`), conditions(124, list), not]
    for (const text of nothing) expect(found(query(text), order(path, true))).toEqual([])
    expect(found(query(`{"${path}":"x"}`), order(path, true))).toEqual(["k"])
    expect(found(query(`{"${path}":{"$exists":true}}`), order("", true))).toEqual(["k"])
  })

  it("holds nothing that the client wrote in its text", () => {
    const { sql, params } = compileFilter(query(`{"x'\\"; DROP TABLE entity":{"$in":["mine'--",1]}}`), columns.entity)
    const by = compileOrder(order("theirs')", false), columns.entity)
    expect(`${sql} ${by.sql}`).not.toMatch(/DROP|mine|theirs/)
    expect([...params, ...by.params]).toEqual(["x'\"; DROP TABLE entity", "mine'--", 1, "theirs')", "theirs')"])
  })
})
