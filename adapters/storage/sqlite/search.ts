import { scanRowsMax } from "../../../application/limits.ts"
import { pageOf, scannedTooMuch } from "../../../application/page.ts"
import type { EventSearch, Search } from "../../../application/ports/EventStore.ts"
import type { Entity } from "../../../domain/entity.ts"
import type { Event } from "../../../domain/event.ts"
import type { TooLarge } from "../../../domain/rejection.ts"
import type { Open } from "./connection.ts"
import { type Columns, compileFilter, compileOrder } from "./filter.ts"
import { type DomainRow, type EntityRow, type EventRow, eventOf, stateOf } from "./rows.ts"

const entityColumns: Columns = { "entity.key": "r.key", values: 'r."values"' }

const eventColumns: Columns = {
  id: "r.id",
  time: "r.time",
  method: "r.method",
  position: "r.position",
  request_id: "r.request_id",
  erased: "r.erased",
  "entity.domain": "d.name",
  "entity.type": "r.type",
  "entity.key": "r.key",
  "entity.version": "r.version",
  values: 'r."values"',
  claims: "r.claims"
}

type Param = string | number | bigint

/** The rows that an index finds, and in which order it has them. */
interface Source {
  readonly table: string
  readonly where: string
  readonly params: ReadonlyArray<Param>
  readonly natural: string
}

/**
 * Looks at no more than `scanRowsMax` rows of the source, in its natural order. A page that could have been filled, or
 * ordered, by rows beyond those is no answer.
 */
const search = <Row extends object>(
  { db, statements }: Open,
  { domain, query, order, limit, offset }: Search,
  columns: Columns,
  source: (domain: bigint) => Source
): { readonly rows: Iterable<Row>; readonly tooMuch: () => boolean } => {
  const found = statements.domain.get(domain) as DomainRow | undefined
  if (found === undefined) return { rows: [], tooMuch: () => false }
  const { table, where, params, natural } = source(found.id)
  const direction = order.reverse ? "DESC" : "ASC"
  const inner = `SELECT * FROM ${table} WHERE ${where} ORDER BY ${natural} ${direction} LIMIT ?`
  const filter = compileFilter(query, columns)
  const by = compileOrder(order, columns)
  const statement = db.prepare(
    `SELECT r.* FROM (${inner}) AS r CROSS JOIN domains AS d ON d.id = r.domain WHERE ${filter.sql}
     ORDER BY ${by.sql} LIMIT ? OFFSET ?`
  )
  statement.setReadBigInts(true)
  const all: ReadonlyArray<Param> = [...params, scanRowsMax, ...filter.params, ...by.params, limit, offset]
  let count = 0
  const counted = function* () {
    for (const row of statement.iterate(...all)) {
      count += 1
      yield row as unknown as Row
    }
  }
  const tooMuch = () => {
    if (order.at === undefined && count === limit) return false
    const beyond = db.prepare(`SELECT 1 FROM ${table} WHERE ${where} LIMIT 1 OFFSET ?`).get(...params, scanRowsMax)
    return beyond !== undefined
  }
  return { rows: counted(), tooMuch }
}

export const searchEntities = (open: Open, wanted: Search): ReadonlyArray<Entity> | TooLarge => {
  const { rows, tooMuch } = search<EntityRow>(open, wanted, entityColumns, (domain) => ({
    table: "entities",
    where: "domain = ? AND type = ? AND deleted = 0",
    params: [domain, wanted.type],
    natural: "key"
  }))
  const page = pageOf(rows, ({ values }) => values.length)
  if ("_tag" in page) return page
  return tooMuch() ? scannedTooMuch : page.map((row) => stateOf(wanted.domain, row))
}

const greatest = 2n ** 63n - 1n

export const searchEvents = (open: Open, wanted: EventSearch): ReadonlyArray<Event> | TooLarge => {
  const { rows, tooMuch } = search<EventRow>(open, wanted, eventColumns, (domain) => ({
    table: "events",
    where: "domain = ? AND type = ? AND time > ? AND time <= ?",
    params: [domain, wanted.type, wanted.min, wanted.max === 0n ? greatest : wanted.max - 1n],
    natural: "position"
  }))
  const page = pageOf(rows, ({ values, claims }) => values.length + claims.length)
  if ("_tag" in page) return page
  return tooMuch() ? scannedTooMuch : page.map((row) => eventOf(wanted.domain, row))
}
