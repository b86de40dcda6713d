import type { StatementSync } from "node:sqlite"
import { scanRowsMax, scanSliceMs, sortTextCharsMax } from "../../../application/limits.ts"
import { scannedTooMuch } from "../../../application/page.ts"
import type { Search } from "../../../application/ports/EventStore.ts"
import { compareText } from "../../../domain/query.ts"
import type { TooLarge } from "../../../domain/rejection.ts"
import type { Open } from "./connection.ts"
import { type Columns, compileFilter, compileSortKeys } from "./filter.ts"

export type Param = string | number | bigint

/** The rows that an index finds, and the column in whose order it has them. */
export interface Source {
  readonly table: string
  readonly where: string
  readonly params: ReadonlyArray<Param>
  readonly natural: string
}

type Key = null | number | bigint | string

interface Hit {
  readonly row: bigint
  readonly natural: string | bigint
  readonly keys: ReadonlyArray<Key>
}

const slicesRowsFirst = 256
const sliceRowsMax = 4096

/**
 * A search, a slice of rows at a time: this thread serves all calls, and a filter may take long for each row. Whatever
 * fits into one slice is seen as it is at one moment; what takes more may see changes that are made meanwhile.
 */
export class Scan {
  /** The open database that it reads; after another was opened the search begins anew. */
  readonly of: Open
  readonly #statement: (after: boolean) => StatementSync
  readonly #params: (after: Param | undefined, rows: number) => ReadonlyArray<Param>
  readonly #search: Search
  readonly #hits: Array<Hit> = []
  #sliceRows = slicesRowsFirst
  #looked = 0
  #textChars = 0
  #last: string | bigint | undefined

  constructor(open: Open, search: Search, columns: Columns, source: Source) {
    this.of = open
    const { query, order } = search
    const filter = compileFilter(query, columns)
    const keys = compileSortKeys(order.at, columns)
    const direction = order.reverse ? "DESC" : "ASC"
    const beyond = `${source.natural} ${order.reverse ? "<" : ">"} ?`
    const selected = keys.map(({ sql }, i) => `, CASE WHEN ${filter.sql} THEN ${sql} END AS key${i}`).join("")
    const keyParams = keys.flatMap(({ params }) => [...filter.params, ...params])
    const sql = (after: boolean) => `
      SELECT r.row AS row, r.${source.natural} AS natural, ${filter.sql} AS hit${selected}
      FROM (SELECT rowid AS row, * FROM ${source.table} WHERE ${source.where}${after ? ` AND ${beyond}` : ""}
            ORDER BY ${source.natural} ${direction} LIMIT ?) AS r
      CROSS JOIN domains AS d ON d.id = r.domain ORDER BY r.${source.natural} ${direction}`
    const prepared = new Map<boolean, StatementSync>()
    this.#statement = (after) => {
      const known = prepared.get(after)
      if (known !== undefined) return known
      const statement = open.db.prepare(sql(after))
      statement.setReadBigInts(true)
      prepared.set(after, statement)
      return statement
    }
    this.#params = (after, rows) => [
      ...filter.params,
      ...keyParams,
      ...source.params,
      ...(after === undefined ? [] : [after]),
      rows
    ]
    this.#search = search
  }

  /** Looks at one more slice; answers whether the page is complete, or why there will be none. */
  step(): boolean | TooLarge {
    const { order, offset, limit } = this.#search
    const rows = Math.min(this.#sliceRows, scanRowsMax + 1 - this.#looked)
    const since = performance.now()
    let seen = 0
    const slice = this.#statement(this.#last !== undefined).iterate(...this.#params(this.#last, rows))
    for (const row of slice as Iterable<unknown> as Iterable<Record<string, Key>>) {
      seen += 1
      this.#last = row["natural"] as string | bigint
      if (row["hit"] !== 1n) continue
      this.#add({ row: row["row"] as bigint, natural: this.#last, keys: keysOf(row) })
      if (order.at === undefined && this.#hits.length === offset + limit) return true
    }
    this.#looked += seen
    if (this.#looked > scanRowsMax || this.#textChars > sortTextCharsMax) return scannedTooMuch
    const pace = scanSliceMs / Math.max(0.1, performance.now() - since)
    this.#sliceRows = Math.max(1, Math.min(sliceRowsMax, Math.ceil(seen * Math.min(2, pace))))
    return seen < rows
  }

  /** The rows of the page, in their order. */
  page(): ReadonlyArray<bigint> {
    const { order, offset, limit } = this.#search
    // They came in natural order, either way round; only a sort by something else has to be made.
    if (order.at !== undefined) this.#hits.sort(order.reverse ? (a, b) => compareHits(b, a) : compareHits)
    return this.#hits.slice(offset, offset + limit).map(({ row }) => row)
  }

  #add(hit: Hit): void {
    for (const key of hit.keys) if (typeof key === "string") this.#textChars += key.length
    this.#hits.push(hit)
  }
}

const keysOf = (row: Record<string, Key>): ReadonlyArray<Key> => {
  const keys: Array<Key> = []
  for (let i = 0; `key${i}` in row; i++) keys.push(row[`key${i}`] ?? null)
  return keys
}

const compareHits = (a: Hit, b: Hit): number => {
  for (const [i, key] of a.keys.entries()) {
    const difference = compareKeys(key, b.keys[i]!)
    if (difference !== 0) return difference
  }
  return compareKeys(a.natural, b.natural)
}

/** As SQLite orders values: nothing, then numbers, then text. */
const rankOf = (key: Key): number => (key === null ? 0 : typeof key === "string" ? 2 : 1)

const compareKeys = (a: Key, b: Key): number => {
  if (typeof a === "string" && typeof b === "string") return compareText(a, b)
  const ranks = rankOf(a) - rankOf(b)
  if (ranks !== 0 || a === null || b === null) return ranks
  return a < b ? -1 : a > b ? 1 : 0
}
