import { Effect } from "effect"
import type { Unavailable } from "../../../application/failure.ts"
import { pageBytesMax, scanRowsMax } from "../../../application/limits.ts"
import { pageOf, scannedTooMuch } from "../../../application/page.ts"
import { pinnedKey } from "../../../application/pinned-key.ts"
import type { EventSearch, Search } from "../../../application/ports/EventStore.ts"
import type { Entity } from "../../../domain/entity.ts"
import type { Event } from "../../../domain/event.ts"
import type { TooLarge } from "../../../domain/rejection.ts"
import { type Connection, sqlState, trouble } from "./connection.ts"
import { type Bind, type Columns, candidates, compileFilter, compileSort, type Param } from "./filter.ts"
import type { Pool } from "./pool.ts"
import { type DomainRow, type EntityRow, type EventRow, eventOf, integerMax, stateOf } from "./rows.ts"
import { domainByName, eventFields } from "./statements.ts"

/** The rows to look at, and the column in whose order an index has them. */
interface Source {
  readonly table: "entities" | "events"
  readonly where: (bind: Bind) => string
  readonly natural: "key" | "time"
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

export const entitySource = ({ query }: Search): Source => ({
  table: "entities",
  where: (bind) => {
    const condition = candidates(query)
    return `NOT deleted${condition === undefined ? "" : ` AND "values"::jsonb @@ ${bind(condition, "jsonpath")}`}`
  },
  natural: "key",
  fields: 'r.type, r.key, r.version, r.deleted, r."values"',
  json: ["values"],
  columns: { values: 'j."values"' }
})

export const eventSource = ({ query, min, max }: EventSearch): Source => ({
  table: "events",
  where: (bind) => {
    const key = pinnedKey(query)
    const times = `time > ${bind(min, "bigint")} AND time <= ${bind(max === 0n ? integerMax : max - 1n, "bigint")}`
    return key === undefined ? times : `${times} AND key = ${bind(key, "text")}`
  },
  // In the order of positions.
  natural: "time",
  fields: eventFields("r"),
  json: ["values", "claims"],
  columns: eventColumns
})

/**
 * A search as one statement, which sees one moment. Rows are looked at in their natural order, at most `scanRowsMax` of
 * them: one more is found whatever it holds, and tells that there was too much. The page is known before its rows are
 * fetched, and what does not fit into it is not.
 */
export const compileSearch = (
  { domain, type, query, order, limit, offset }: Search,
  { table, where, natural, fields, json, columns }: Source,
  domainId: bigint
): { readonly text: string; readonly params: ReadonlyArray<Param> } => {
  const params: Array<Param> = []
  const bind: Bind = (value, as) => `$${params.push(value)}::${as}`
  const own = { id: bind(domainId, "bigint"), type: bind(type, "text") }
  const [direction, nulls] = order.reverse ? ["DESC", "NULLS LAST"] : ["ASC", "NULLS FIRST"]
  const keys = compileSort(order.at, columns, bind).map((sql, i) => ({ name: `key${i}`, sql }))
  const by = [...keys.map(({ name }) => `${name} ${direction} ${nulls}`), "nth"].join(", ")
  const text = `
    WITH looked AS (
      SELECT *, ${bind(domain, "text")} COLLATE "C" AS name,
        row_number() OVER (ORDER BY ${natural} ${direction}) AS nth
      FROM ${table} WHERE domain = ${own.id} AND type = ${own.type} AND ${where(bind)}
      ORDER BY ${natural} ${direction} LIMIT ${scanRowsMax + 1}
    ), hits AS (
      SELECT r.${natural}, r.nth, ${json.map((column) => `octet_length(r."${column}")`).join(" + ")} AS bytes
        ${keys.map(({ name, sql }) => `, ${sql} AS ${name}`).join("")}
      FROM looked AS r
      -- Read as JSON once, whatever is asked of it.
      CROSS JOIN LATERAL (SELECT ${json.map((column) => `r."${column}"::jsonb AS "${column}"`).join(", ")} OFFSET 0) AS j
      WHERE r.nth > ${scanRowsMax} OR ${compileFilter(query, columns, bind)}
      ORDER BY r.nth ${keys.length === 0 ? `LIMIT ${offset + limit}` : ""}
    ), page AS (
      SELECT *, row_number() OVER (ORDER BY ${by}) AS place FROM hits WHERE nth <= ${scanRowsMax}
      ORDER BY place LIMIT ${limit} OFFSET ${offset}
    )
    SELECT scan.beyond, page.bytes, ${fields}
    FROM (SELECT coalesce(bool_or(nth > ${scanRowsMax}), false) AS beyond FROM hits) AS scan
    LEFT JOIN (SELECT *, sum(bytes) OVER (ORDER BY place) AS total FROM page) AS page ON true
    LEFT JOIN ${table} AS r
      ON page.total <= ${pageBytesMax} AND r.domain = ${own.id} AND r.type = ${own.type} AND r.${natural} = page.${natural}
    ORDER BY page.place`
  return { text, params }
}

interface Scanned {
  readonly beyond: boolean
  /** NULL where there is no row at all. */
  readonly bytes: number | null
}

const tooLong: TooLarge = {
  _tag: "TooLarge",
  message: "the search takes too long; narrow the type, the filter or the times"
}
const cancelled = "57014"

const search = <Row extends object>(
  pool: Pool,
  wanted: Search,
  source: Source
): Effect.Effect<ReadonlyArray<Row>, TooLarge | Unavailable> => {
  const find = async (connection: Connection): Promise<ReadonlyArray<Row> | TooLarge> => {
    const [domain] = await connection.query<DomainRow>(domainByName, [wanted.domain])
    if (domain === undefined) return []
    const { text, params } = compileSearch(wanted, source, domain.id)
    // Not kept: there are as many as there are filters, and each is planned for what it asks.
    const rows = await connection.query<Row & Scanned>(text, params, "once")
    if (rows[0]!.beyond) return scannedTooMuch
    return pageOf(
      rows.filter(({ bytes }) => bytes !== null),
      ({ bytes }) => bytes!
    )
  }
  return Effect.tryPromise({ try: () => pool.use(find), catch: (cause) => cause }).pipe(
    Effect.catch(
      (cause): Effect.Effect<never, TooLarge | Unavailable> =>
        sqlState(cause) === cancelled ? Effect.fail(tooLong) : trouble(cause)
    ),
    Effect.flatMap((found) => ("_tag" in found ? Effect.fail(found) : Effect.succeed(found)))
  )
}

export const searchEntities = (
  pool: Pool,
  wanted: Search
): Effect.Effect<ReadonlyArray<Entity>, TooLarge | Unavailable> =>
  Effect.map(search<EntityRow>(pool, wanted, entitySource(wanted)), (rows) =>
    rows.map((row) => stateOf(wanted.domain, row))
  )

export const searchEvents = (
  pool: Pool,
  wanted: EventSearch
): Effect.Effect<ReadonlyArray<Event>, TooLarge | Unavailable> =>
  Effect.map(search<EventRow>(pool, wanted, eventSource(wanted)), (rows) =>
    rows.map((row) => eventOf(wanted.domain, row))
  )
