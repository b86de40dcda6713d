import { Effect } from "effect"
import type { Unavailable } from "../../../application/failure.ts"
import { pageBytesMax, scanRowsMax } from "../../../application/limits.ts"
import type { EventSearch, Page, Search } from "../../../application/ports/EventStore.ts"
import { emptyPage, hitOf, pageOf, scannedTooMuch } from "../../../application/storage/page.ts"
import { integerMax, keyRangeOf, pinnedKey, positionRangeOf } from "../../../application/storage/range.ts"
import type { Entity } from "../../../domain/entity.ts"
import type { Event } from "../../../domain/event.ts"
import type { TooLarge } from "../../../domain/rejection.ts"
import type { Client } from "./client.ts"
import { readFailure, sqlState } from "./errors.ts"
import { type Bind, type Columns, candidates, compileBehind, compileFilter, compileSort, type Param } from "./filter.ts"
import type { Pool } from "./pool.ts"
import { type DomainRow, type EntityRow, type EventRow, eventOf, stateOf } from "./rows.ts"
import { domainByName, eventFields } from "./statements.ts"

/** The rows to look at, and the column in whose order an index has them. */
interface Source {
  readonly table: "entities" | "events"
  /** What an index has in that order. */
  readonly within: (bind: Bind, domainId: string) => string
  /** What another index can tell, if anything. */
  readonly candidates: (bind: Bind) => string | undefined
  readonly natural: "key" | "time" | "version"
  /** What names a row, within its domain and type. */
  readonly tie: "key" | "position"
  /** What is selected of a row, and which of it is JSON. */
  readonly fields: string
  readonly json: ReadonlyArray<"values" | "claims">
  readonly columns: Columns
}

const eventColumns: Columns = {
  id: "r.id",
  time: "r.time",
  method: "r.method",
  position: "r.position",
  request_id: "r.request_id",
  erased: "r.erased",
  "entity.domain": "r.name",
  "entity.type": "r.type",
  "entity.key": "r.key",
  "entity.version": "r.version",
  values: 'j."values"',
  claims: "j.claims"
}

const entityColumns: Columns = { "entity.key": "r.key", "entity.version": "r.version", values: 'j."values"' }

export const entitySource = (search: Search): Source => {
  const { from, to } = keyRangeOf(search)
  return {
    table: "entities",
    within: (bind) => {
      const lower = from === undefined ? "" : ` AND key ${from.isIncluded ? ">=" : ">"} ${bind(from.key, "text")}`
      const upper = to === undefined ? "" : ` AND key ${to.isIncluded ? "<=" : "<"} ${bind(to.key, "text")}`
      return `NOT deleted${lower}${upper}`
    },
    candidates: (bind) => {
      const condition = candidates(search.query)
      return condition === undefined ? undefined : `"values"::jsonb @@ ${bind(condition, "jsonpath")}`
    },
    natural: "key",
    tie: "key",
    fields: 'r.type, r.key, r.version, r.deleted, r."values"',
    json: ["values"],
    columns: entityColumns
  }
}

export const eventSource = (search: EventSearch): Source => {
  const { type, query, min, max } = search
  const { from, to } = positionRangeOf(search)
  const key = pinnedKey(query)
  // Both are in the order of positions.
  const natural = key === undefined ? "time" : "version"
  return {
    table: "events",
    within: (bind, domainId) => {
      const ofKey = key === undefined ? "TRUE" : `type = ${bind(type, "text")} AND key = ${bind(key, "text")}`
      const parts = [
        ofKey,
        `time > ${bind(min, "bigint")} AND time <= ${bind(max === 0n ? integerMax : max - 1n, "bigint")}`
      ]
      // The event right before or behind these positions tells where they are in the index, if it is in that.
      const at = (position: bigint) =>
        `(SELECT CASE WHEN ${ofKey} THEN ${natural} END FROM events
          WHERE domain = ${domainId} AND position = ${bind(position, "bigint")})`
      if (from > 1n) parts.push(`${natural} >= coalesce(${at(from - 1n)}, 0) AND position >= ${bind(from, "bigint")}`)
      if (to < integerMax)
        parts.push(`${natural} <= coalesce(${at(to + 1n)}, ${integerMax}) AND position <= ${bind(to, "bigint")}`)
      return parts.join(" AND ")
    },
    candidates: () => undefined,
    natural,
    tie: "position",
    fields: eventFields("r"),
    json: ["values", "claims"],
    columns: eventColumns
  }
}

/**
 * A search as one statement, which sees one moment. Rows are looked at in their natural order, at most `scanRowsMax` of
 * them: one more is found whatever it holds, and tells that there was too much. The page is known before its rows are
 * fetched, and what does not fit into it is not.
 */
export const compileSearch = (
  { domain, type, query, order, limit, offset, after }: Search,
  { table, within, candidates, natural, tie, fields, json, columns }: Source,
  domainId: bigint
): { readonly text: string; readonly params: ReadonlyArray<Param> } => {
  const params: Array<Param> = []
  const bind: Bind = (value, as) => `$${params.push(value)}::${as}`
  const own = { id: bind(domainId, "bigint"), type: bind(type, "text") }
  const [direction, nulls, beyond] = order.reverse ? ["DESC", "NULLS LAST", "<"] : ["ASC", "NULLS FIRST", ">"]
  const keys = compileSort(order.at, columns, bind).map((sql, i) => ({ name: `key${i}`, sql }))
  const names = keys.map(({ name }) => name)
  const by = [...names.map((name) => `${name} ${direction} ${nulls}`), "nth"].join(", ")
  const isNatural = order.at === undefined
  const behind =
    isNatural || after === undefined ? "" : ` AND ${compileBehind(after, order.at, names, "tie", order.reverse, bind)}`
  const where = `domain = ${own.id} AND type = ${own.type} AND ${within(bind, own.id)}`
  const condition = candidates(bind)
  const text = `
    WITH looked AS (
      SELECT *, ${bind(domain, "text")} COLLATE "C" AS name,
        row_number() OVER (ORDER BY ${natural} ${direction}) AS nth
      FROM ${table} WHERE ${where}${condition === undefined ? "" : ` AND ${condition}`}
      ORDER BY ${natural} ${direction} LIMIT ${scanRowsMax + 1}
    ), hits AS (
      SELECT r.${natural} AS natural_key, r.${tie} AS tie, r.nth,
        ${json.map((column) => `octet_length(r."${column}")`).join(" + ")} AS bytes
        ${keys.map(({ name, sql }) => `, ${sql} AS ${name}`).join("")}
      FROM looked AS r
      -- Read as JSON once, whatever is asked of it.
      CROSS JOIN LATERAL (SELECT ${json.map((column) => `r."${column}"::jsonb AS "${column}"`).join(", ")} OFFSET 0) AS j
      WHERE r.nth > ${scanRowsMax} OR ${compileFilter(query, columns, bind)}
      -- By what the index has, so that the server stops looking when the page is full.
      ORDER BY r.${natural} ${direction} ${isNatural ? `LIMIT ${offset + limit}` : ""}
    ), page AS (
      SELECT *, row_number() OVER (ORDER BY ${by}) AS place FROM hits WHERE nth <= ${scanRowsMax}${behind}
      ORDER BY place LIMIT ${isNatural ? limit : limit + 1} OFFSET ${offset}
    )
    SELECT scan.beyond, scan.more, page.bytes, ${fields}
    FROM (
      SELECT (SELECT min(natural_key) FROM hits WHERE nth > ${scanRowsMax})::text AS beyond, ${
        isNatural
          ? // With an order, so that it goes by the index of that.
            `(SELECT ${natural} FROM ${table}
              WHERE ${where} AND ${natural} ${beyond} (SELECT natural_key FROM page ORDER BY place DESC LIMIT 1)
              ORDER BY ${natural} ${direction} LIMIT 1) IS NOT NULL`
          : "FALSE"
      } AS more
    ) AS scan
    LEFT JOIN (SELECT *, sum(bytes) OVER (ORDER BY place) AS total FROM page) AS page ON true
    LEFT JOIN ${table} AS r
      ON page.total <= ${pageBytesMax} AND r.domain = ${own.id} AND r.type = ${own.type} AND r.${tie} = page.tie
    ORDER BY page.place`
  return { text, params }
}

interface Scanned {
  /** Where the first row is, in the natural order, that was too much to look at. */
  readonly beyond: string | null
  /** Whether there are rows behind the last one of the page. */
  readonly more: boolean
  /** NULL where there is no row at all. */
  readonly bytes: number | null
}

/** The last row before one in the natural order: where a page ends that could not look at any more. */
const compileLast = (
  { type, order }: Search,
  { table, within, natural, fields }: Source,
  domainId: bigint,
  beyond: string
): { readonly text: string; readonly params: ReadonlyArray<Param> } => {
  const params: Array<Param> = []
  const bind: Bind = (value, as) => `$${params.push(value)}::${as}`
  const own = { id: bind(domainId, "bigint"), type: bind(type, "text") }
  const [back, before] = order.reverse ? ["ASC", ">"] : ["DESC", "<"]
  const text = `
    SELECT ${fields} FROM ${table} AS r
    WHERE domain = ${own.id} AND type = ${own.type} AND ${within(bind, own.id)}
      AND ${natural} ${before} ${bind(beyond, natural === "key" ? "text" : "bigint")}
    ORDER BY ${natural} ${back} LIMIT 1`
  return { text, params }
}

const tooLong: TooLarge = {
  _tag: "TooLarge",
  message: "the search takes too long; narrow the type, the filter or the times"
}
const cancelled = "57014"

const search = <Row extends object, Item extends Entity | Event>(
  pool: Pool,
  wanted: Search,
  source: Source,
  itemOf: (domain: string, row: Row) => Item
): Effect.Effect<Page<Item>, TooLarge | Unavailable> => {
  const { order, limit, partial = false } = wanted
  const isNatural = order.at === undefined
  const hit = (row: Row) => hitOf(order, itemOf(wanted.domain, row))
  const find = async (connection: Client): Promise<Page<Item> | TooLarge> => {
    const [domain] = await connection.query<DomainRow>(domainByName, [wanted.domain])
    if (domain === undefined) return emptyPage
    const { text, params } = compileSearch(wanted, source, domain.id)
    // Not kept: there are as many as there are filters, and each is planned for what it asks.
    const rows = await connection.query<Row & Scanned>(text, params, "once")
    const { beyond, more } = rows[0]!
    if (beyond !== null && !(isNatural && partial)) return scannedTooMuch(wanted)
    const found = rows.filter(({ bytes }) => bytes !== null)
    const page = pageOf(found.slice(0, limit), ({ bytes }) => bytes!, partial)
    if ("_tag" in page) return page
    const hits = page.map(hit)
    if (page.length < found.length || (page.length === limit && more)) return { hits, last: hits.at(-1) }
    if (beyond === null) return { hits, last: undefined }
    const last = compileLast(wanted, source, domain.id, beyond)
    const [end] = await connection.query<Row>(last.text, last.params, "once")
    return { hits, last: end === undefined ? hits.at(-1) : hit(end) }
  }
  return Effect.tryPromise({ try: () => pool.use(find), catch: (cause) => cause }).pipe(
    Effect.catch(
      (cause): Effect.Effect<never, TooLarge | Unavailable> =>
        sqlState(cause) === cancelled ? Effect.fail(tooLong) : readFailure(cause)
    ),
    Effect.flatMap((found) => ("_tag" in found ? Effect.fail(found) : Effect.succeed(found)))
  )
}

export const searchEntities = (pool: Pool, wanted: Search): Effect.Effect<Page<Entity>, TooLarge | Unavailable> =>
  search<EntityRow, Entity>(pool, wanted, entitySource(wanted), stateOf)

export const searchEvents = (pool: Pool, wanted: EventSearch): Effect.Effect<Page<Event>, TooLarge | Unavailable> =>
  search<EventRow, Event>(pool, wanted, eventSource(wanted), eventOf)
