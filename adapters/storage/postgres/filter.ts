import { integerMax } from "../../../application/storage/range.ts"
import type { Comparison, Field, FieldPath, Operand, Query, SortKey } from "../../../domain/query.ts"

/** What is sent beside a statement, for its `$1`, `$2`, …. */
export type Param = string | bigint | boolean | null

/** Takes a value along, and answers what stands for it in the SQL, such as `$3::text`. */
export type Bind = (value: Param, type: string) => string

/**
 * The columns of the row that is searched. Values and claims are jsonb; names and texts have the collation "C", which
 * compares bytes; `request_id` may be NULL. A search of entities needs `values`, `entity.key` and `entity.version`.
 */
export type Columns = Readonly<Partial<Record<Field | "values" | "claims", string>>>

/**
 * The condition of a WHERE: TRUE for the rows that pass, and FALSE or NULL for others. Nothing that a client wrote is in
 * its text: operands and paths are bound, and what is bound as a jsonpath has each key and operand in quotes.
 */
export const compileFilter = (query: Query, columns: Columns, bind: Bind): string => {
  switch (query.kind) {
    case "and":
    case "or": {
      const parts = query.of.map((part) => compileFilter(part, columns, bind))
      if (parts.length === 0) return query.kind === "and" ? "TRUE" : "FALSE"
      return `(${parts.join(query.kind === "and" ? " AND " : " OR ")})`
    }
    case "not":
      return `((${compileFilter(query.of, columns, bind)}) IS NOT TRUE)`
    default:
      return query.at.kind === "field"
        ? onField(query, columnOf(columns, query.at.field), bind)
        : onJson(query, query.at, columnOf(columns, query.at.root), bind)
  }
}

/**
 * A jsonpath that holds wherever the query does, and elsewhere too: what an index of the values can tell of it.
 * Undefined where it can tell nothing.
 */
export const candidates = (query: Query): string | undefined => {
  switch (query.kind) {
    case "and": {
      const parts = query.of.map(candidates).filter((part) => part !== undefined)
      return parts.length === 0 ? undefined : `(${parts.join(" && ")})`
    }
    case "or": {
      const parts = query.of.map(candidates)
      return parts.every((part) => part !== undefined) ? `(${parts.join(" || ")})` : undefined
    }
    case "equals":
      return query.at.kind === "json" && query.at.path.length > 0 && query.anyOf.length > 0
        ? jsonTest(query, query.at.path)
        : undefined
    default:
      return undefined
  }
}

/** What rows are ordered by, before ties are broken; NULL comes first. */
export const compileSort = (at: FieldPath | undefined, columns: Columns, bind: Bind): ReadonlyArray<string> => {
  if (at === undefined) return []
  if (at.kind === "field") return [columnOf(columns, at.field)]
  if (at.path.length === 0) return []
  // Strict, an array does not stand for its elements; silent, a path that leads nowhere is NULL.
  const path = bind(`strict ${pathText(at.path)}`, "jsonpath")
  const value = `jsonb_path_query_first(${columnOf(columns, at.root)}, ${path}, '{}', true)`
  const type = `jsonb_typeof(${value})`
  return [
    `CASE ${type} WHEN 'null' THEN 1 WHEN 'boolean' THEN CASE WHEN ${value}::boolean THEN 3 ELSE 2 END
     WHEN 'number' THEN 4 WHEN 'string' THEN 5 ELSE 0 END`,
    `CASE WHEN ${type} = 'number' THEN ${value}::numeric END`,
    `CASE WHEN ${type} = 'string' THEN ${value} #>> '{}' END COLLATE "C"`
  ]
}

/**
 * The condition that a row comes after a place in the order: by the keys of `compileSort`, by their names, and then by
 * the column that breaks ties.
 */
export const compileBehind = (
  { value, tie }: SortKey,
  at: FieldPath | undefined,
  names: ReadonlyArray<string>,
  tieName: string,
  reverse: boolean,
  bind: Bind
): string => {
  const sign = reverse ? "<" : ">"
  const bindTie = bind(tie, typeof tie === "bigint" ? "bigint" : "text")
  const behindTie = `${tieName} ${sign} ${bindTie}`
  const [first, number, text] = names
  if (first === undefined) return behindTie
  if (at?.kind === "field") {
    if (value === undefined || value === null)
      return reverse ? `(${first} IS NULL AND ${behindTie})` : `(${first} IS NOT NULL OR ${behindTie})`
    const bound = bind(value as string | bigint | boolean, typeOf(value as string | bigint | boolean))
    const nulls = reverse ? ` OR ${first} IS NULL` : ""
    return `(${first} ${sign} ${bound}${nulls} OR (${first} = ${bound} AND ${behindTie}))`
  }
  const rank = typeRank(value)
  const [column, bound] =
    typeof value === "number"
      ? [number, bind(JSON.stringify(value), "numeric")]
      : typeof value === "string"
        ? [text, bind(value, "text")]
        : []
  const within =
    column === undefined ? behindTie : `(${column} ${sign} ${bound} OR (${column} = ${bound} AND ${behindTie}))`
  return `(${first} ${sign} ${rank} OR (${first} = ${rank} AND ${within}))`
}

/** As `compileSort` has them. */
const typeRank = (value: Operand | undefined): number => {
  if (value === undefined) return 0
  if (value === null) return 1
  if (typeof value === "boolean") return value ? 3 : 2
  return typeof value === "string" ? 5 : 4
}

/** An array as its text: the driver would have to ask each new connection how to write one. */
export const arrayText = (items: ReadonlyArray<Param>): string =>
  `{${items.map((item) => (item === null ? "NULL" : `"${String(item).replace(/["\\]/g, "\\$&")}"`)).join(",")}}`

type Test = Exclude<Query, { readonly of: unknown }>

const columnOf = (columns: Columns, name: keyof Columns): string => {
  const column = columns[name]
  if (column === undefined) throw new Error(`this table has no column for ${name}`)
  return column
}

const signs: Readonly<Record<Comparison, string>> = { gt: ">", gte: ">=", lt: "<", lte: "<=" }

const onField = (test: Test, column: string, bind: Bind): string => {
  switch (test.kind) {
    case "exists":
      return `${column} IS NOT NULL`
    case "prefix":
      return `starts_with(${column}, ${bind(test.prefix, "text")})`
    case "equals": {
      const items = test.anyOf.filter(isField)
      return items.length === 0 ? "FALSE" : `${column} = ANY(${bind(arrayText(items), `${typeOf(items[0]!)}[]`)})`
    }
    default: {
      const { kind, than } = test
      if (isField(than)) return `${column} ${signs[kind]} ${bind(than, typeOf(than))}`
      const isBelow = kind === "lt" || kind === "lte"
      return isBelow === than > integerMax ? "TRUE" : "FALSE"
    }
  }
}

const typeOf = (value: Exclude<Param, null>): string =>
  typeof value === "bigint" ? "bigint" : typeof value === "boolean" ? "boolean" : "text"

/** What a field may hold: no row has an integer beyond 64 bits. */
const isField = (value: Operand): value is Exclude<Param, null> =>
  typeof value === "bigint"
    ? -integerMax <= value && value <= integerMax
    : typeof value === "string" || typeof value === "boolean"

const onJson = (
  test: Test,
  { path }: Extract<FieldPath, { readonly kind: "json" }>,
  column: string,
  bind: Bind
): string => {
  if (path.length === 0) return test.kind === "exists" ? "TRUE" : "FALSE"
  if (test.kind === "exists") return `${column} @? ${bind(pathText(path), "jsonpath")}`
  if (test.kind === "equals" && test.anyOf.length === 0) return "FALSE"
  return `${column} @@ ${bind(jsonTest(test, path), "jsonpath")}`
}

/** Keys are written as JSON writes strings, and jsonpath reads them so. */
const pathText = (path: ReadonlyArray<string>): string => `$${path.map((key) => `.${JSON.stringify(key)}`).join("")}`

/**
 * Without `strict`, jsonpath is lax, and that is what paths mean here: on the way and at the end an array stands for its
 * elements, for these alone. Both sides of a comparison of numbers are the shortest decimals of doubles, which are equal
 * and in order exactly when the doubles are.
 */
const jsonTest = (test: Exclude<Test, { readonly kind: "exists" }>, path: ReadonlyArray<string>): string => {
  const at = pathText(path)
  switch (test.kind) {
    case "equals":
      return `(${test.anyOf.map((value) => `${at} == ${JSON.stringify(value)}`).join(" || ")})`
    case "prefix":
      return `${at} starts with ${JSON.stringify(test.prefix)}`
    default:
      return `${at} ${signs[test.kind]} ${JSON.stringify(test.than)}`
  }
}
