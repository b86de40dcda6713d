import type { Comparison, Field, Operand, Place, Query } from "../../../domain/query.ts"
import { integerMax } from "./rows.ts"

/** SQL text and what to bind to its `?`, in order. Nothing that a client wrote is in the text, not even a path. */
export interface Fragment {
  readonly sql: string
  readonly params: ReadonlyArray<string | number | bigint>
}

/**
 * The columns of the table that is searched, qualified with its name, since `json_each` has columns called id, key and
 * type as well. Values and claims are JSON text, time, position and version INTEGER, erased 0 or 1; `request_id` may be
 * NULL. A search of entities needs `values` and `entity.key`.
 */
export type Columns = Readonly<Partial<Record<Field | "values" | "claims", string>>>

/** The condition of a WHERE: 0 or 1 for every row and never NULL, so that NOT means what it says. */
export const compileFilter = (query: Query, columns: Columns): Fragment => {
  switch (query.kind) {
    case "and":
    case "or": {
      const parts = query.of.map((part) => compileFilter(part, columns))
      return join(parts, query.kind === "and" ? " AND " : " OR ", query.kind === "and" ? always : never)
    }
    case "not": {
      const { sql, params } = compileFilter(query.of, columns)
      return { sql: `NOT ${sql}`, params }
    }
    default:
      return query.at.kind === "field"
        ? onField(query, query.at.field, columnOf(columns, query.at.field))
        : onJson(query, query.at, columnOf(columns, query.at.root))
  }
}

/** What rows are ordered by, before the tie is settled: NULLs first, then numbers, then text by code point. */
export const compileSortKeys = (at: Place | undefined, columns: Columns): readonly Fragment[] =>
  at === undefined ? [] : sortKeys(at, columns)

type Test = Exclude<Query, { readonly of: unknown }>

const always: Fragment = { sql: "1", params: [] }
const never: Fragment = { sql: "0", params: [] }

const columnOf = (columns: Columns, name: keyof Columns): string => {
  const column = columns[name]
  if (column === undefined) throw new Error(`this table has no column for ${name}`)
  return column
}

/** Halves, and halves of halves: SQLite counts a chain of ANDs as depth, and limits depth. */
const join = (parts: readonly Fragment[], word: string, empty: Fragment): Fragment => {
  if (parts.length <= 1) return parts[0] ?? empty
  const middle = parts.length >> 1
  const left = join(parts.slice(0, middle), word, empty)
  const right = join(parts.slice(middle), word, empty)
  return { sql: `(${left.sql}${word}${right.sql})`, params: [...left.params, ...right.params] }
}

const signs: Readonly<Record<Comparison, string>> = { gt: ">", gte: ">=", lt: "<", lte: "<=" }

const marks = (list: readonly unknown[]): string => list.map(() => "?").join(", ")

const startsWith = (text: string, prefix: string): Fragment => ({
  sql: `substr(${text}, 1, ?) = ?`,
  // SQLite counts code points, and so does the spread.
  params: [[...prefix].length, prefix]
})

const onField = (test: Test, field: Field, column: string): Fragment => {
  if (test.kind === "exists") return { sql: `(${column} IS NOT NULL)`, params: [] }
  const { sql, params } = fieldTest(test, column)
  return { sql: field === "request_id" ? `(${column} IS NOT NULL AND ${sql})` : `(${sql})`, params }
}

const fieldTest = (test: Exclude<Test, { readonly kind: "exists" }>, column: string): Fragment => {
  if (test.kind === "prefix") return startsWith(column, test.prefix)
  if (test.kind !== "equals") return compareField(test.kind, column, test.than)
  const params = test.anyOf.filter(bindable).map((value) => (typeof value === "boolean" ? Number(value) : value))
  return params.length === 0 ? never : { sql: `${column} IN (${marks(params)})`, params }
}

const least = -(2n ** 63n)
/** Fields hold no null, and no integer column holds what does not fit into 64 bits. */
const bindable = (value: Operand): value is string | bigint | boolean =>
  typeof value === "bigint" ? least <= value && value <= integerMax : value !== null

const compareField = (kind: Comparison, column: string, than: string | number | bigint): Fragment => {
  if (typeof than === "bigint" && !bindable(than)) {
    const below = kind === "lt" || kind === "lte"
    return than > integerMax === below ? always : never
  }
  return { sql: `${column} ${signs[kind]} ?`, params: [than] }
}

type JsonPlace = Extract<Place, { readonly kind: "json" }>

/**
 * Walks the path with one `json_each` after the other: `c1`, `c2`, … are the values under its keys, and `e1`, … between
 * them each value itself or, of an array, its elements. CROSS JOIN keeps the order that the walk needs. 32 keys make 64
 * tables, as many as SQLite joins.
 */
const onJson = (test: Test, { path }: JsonPlace, column: string): Fragment => {
  if (path.length === 0) return test.kind === "exists" ? always : never
  const tables = path.map((_, at) => {
    if (at === 0) return `json_each(${column}) AS c1`
    const items = `CASE c${at}.type WHEN 'array' THEN c${at}.value WHEN 'object' THEN '[' || c${at}.value || ']' END`
    const child = `CASE e${at}.type WHEN 'object' THEN e${at}.value END`
    return `json_each(${items}) AS e${at} CROSS JOIN json_each(${child}) AS c${at + 1}`
  })
  const keys = path.map((_, at) => `c${at + 1}.key = ?`)
  const last = `c${path.length}`
  if (test.kind === "exists") return exists(tables, keys, path)
  // At the end an array stands for its elements too; anything else meets a list of one item, and is looked at itself.
  tables.push(`json_each(CASE ${last}.type WHEN 'array' THEN ${last}.value ELSE '[0]' END) AS s`)
  const pick = (name: string) => `CASE ${last}.type WHEN 'array' THEN s.${name} ELSE ${last}.${name} END`
  const { sql, params } = jsonTest(test, pick("type"), pick("atom"))
  return exists(tables, [...keys, sql], [...path, ...params])
}

const exists = (tables: readonly string[], where: readonly string[], params: Fragment["params"]): Fragment => ({
  sql: `EXISTS (SELECT 1 FROM ${tables.join(" CROSS JOIN ")} WHERE ${where.join(" AND ")})`,
  params
})

const isText = (type: string) => `${type} = 'text'`
const isNumber = (type: string) => `${type} IN ('integer', 'real')`

/** JSON.stringify rounds the digits of 2^60, and SQLite reads an integer from them; as a double it is 2^60 again. */
const double = (atom: string) => `CAST(${atom} AS REAL)`

const jsonTest = (test: Exclude<Test, { readonly kind: "exists" }>, type: string, atom: string): Fragment => {
  if (test.kind === "equals") return jsonEquals(test.anyOf, type, atom)
  if (test.kind === "prefix") {
    const { sql, params } = startsWith(atom, test.prefix)
    return { sql: `(${isText(type)} AND ${sql})`, params }
  }
  const value =
    typeof test.than === "string" ? { is: isText(type), of: atom } : { is: isNumber(type), of: double(atom) }
  return { sql: `(${value.is} AND ${value.of} ${signs[test.kind]} ?)`, params: [test.than] }
}

/** One test for each type of operand, since SQLite has no booleans and would take `true` for 1. */
const jsonEquals = (anyOf: readonly Operand[], type: string, atom: string): Fragment => {
  const texts = anyOf.filter((value) => typeof value === "string")
  const numbers = anyOf.filter((value) => typeof value === "number")
  const parts: Fragment[] = [null, true, false]
    .filter((value) => anyOf.includes(value))
    .map((value) => ({ sql: `${type} = '${value}'`, params: [] }))
  if (texts.length > 0) parts.push({ sql: `(${isText(type)} AND ${atom} IN (${marks(texts)}))`, params: texts })
  if (numbers.length > 0)
    parts.push({ sql: `(${isNumber(type)} AND ${double(atom)} IN (${marks(numbers)}))`, params: numbers })
  return join(parts, " OR ", never)
}

const typeRanks = { null: 1, false: 2, true: 3, integer: 4, real: 4, text: 5 }

/** For JSON the rank of the type and then the value; columns have one type, and NULL (none) comes first by itself. */
const sortKeys = (at: Place, columns: Columns): readonly Fragment[] => {
  if (at.kind === "field") return [{ sql: columnOf(columns, at.field), params: [] }]
  if (at.path.length === 0) return []
  const tables = at.path.map((_, step) => {
    const source = step === 0 ? columnOf(columns, at.root) : `CASE c${step}.type WHEN 'object' THEN c${step}.value END`
    return `json_each(${source}) AS c${step + 1}`
  })
  const keys = at.path.map((_, step) => `c${step + 1}.key = ?`)
  const last = `c${at.path.length}`
  const select = (value: string): Fragment => ({
    sql: `(SELECT ${value} FROM ${tables.join(" CROSS JOIN ")} WHERE ${keys.join(" AND ")})`,
    params: at.path
  })
  const ranks = Object.entries(typeRanks).map(([type, rank]) => `WHEN '${type}' THEN ${rank}`)
  const rank = select(`CASE ${last}.type ${ranks.join(" ")} ELSE 0 END`)
  return [
    { sql: `coalesce(${rank.sql}, 0)`, params: rank.params },
    select(`CASE WHEN ${isNumber(`${last}.type`)} THEN ${double(`${last}.atom`)} ELSE ${last}.atom END`)
  ]
}
