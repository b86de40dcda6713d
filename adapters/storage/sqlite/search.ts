import type { StatementSync } from "node:sqlite"
import { Effect } from "effect"
import type { Unavailable } from "../../../application/failure.ts"
import { pageOf } from "../../../application/page.ts"
import { pinnedKey } from "../../../application/pinned-key.ts"
import type { EventSearch, Search } from "../../../application/ports/EventStore.ts"
import type { Entity } from "../../../domain/entity.ts"
import type { Event } from "../../../domain/event.ts"
import type { TooLarge } from "../../../domain/rejection.ts"
import type { Open } from "./connection.ts"
import type { Columns } from "./filter.ts"
import { type DomainRow, type EntityRow, type EventRow, eventChars, eventOf, integerMax, stateOf } from "./rows.ts"
import { Scan, type Source } from "./scan.ts"

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

/** Reads from the open database, within one turn of the event loop, what it holds at one moment. */
export type Read = <A>(use: (open: Open) => A) => Effect.Effect<A, Unavailable>

type Found<Row> = ReadonlyArray<Row> | TooLarge | "more"

const search = Effect.fnUntraced(function* <Row extends object>(
  read: Read,
  wanted: Search,
  columns: Columns,
  source: (domain: bigint) => Source,
  at: "entityAt" | "eventAt",
  bytesOf: (row: Row) => number
) {
  let scan: Scan | undefined
  const step = (open: Open): Found<Row> => {
    if (scan === undefined || scan.of !== open) {
      const domain = open.statements.domain.get(wanted.domain) as DomainRow | undefined
      if (domain === undefined) return []
      scan = new Scan(open, wanted, columns, source(domain.id))
    }
    const complete = scan.step()
    if (complete === false) return "more"
    if (complete !== true) return complete
    return pageOf(rowsAt<Row>(open.statements[at], scan.page()), bytesOf)
  }
  while (true) {
    const found = yield* read(step)
    if (found === "more") yield* Effect.yieldNow
    else return "_tag" in found ? yield* Effect.fail(found) : found
  }
})

/** The rows as they are now; one that went away while the search went on is left out. */
function* rowsAt<Row extends object>(statement: StatementSync, rows: ReadonlyArray<bigint>): Iterable<Row> {
  for (const row of rows) {
    const found = statement.get(row) as Row | undefined
    if (found !== undefined) yield found
  }
}

export const searchEntities = (
  read: Read,
  wanted: Search
): Effect.Effect<ReadonlyArray<Entity>, TooLarge | Unavailable> =>
  Effect.map(
    search<EntityRow>(
      read,
      wanted,
      entityColumns,
      (domain) => ({
        table: "entities",
        where: "domain = ? AND type = ? AND deleted = 0",
        params: [domain, wanted.type],
        natural: "key"
      }),
      "entityAt",
      ({ values }) => values.length
    ),
    (rows) => rows.map((row) => stateOf(wanted.domain, row))
  )

export const searchEvents = (
  read: Read,
  wanted: EventSearch
): Effect.Effect<ReadonlyArray<Event>, TooLarge | Unavailable> =>
  Effect.map(
    search<EventRow>(
      read,
      wanted,
      eventColumns,
      (domain) => {
        const key = pinnedKey(wanted.query)
        const where = "domain = ? AND type = ? AND time > ? AND time <= ?"
        const params = [domain, wanted.type, wanted.min, wanted.max === 0n ? integerMax : wanted.max - 1n]
        return key === undefined
          ? { table: "events", where, params, natural: "position" }
          : // The versions of an entity are in the order of positions, and have an index.
            { table: "events", where: `${where} AND key = ?`, params: [...params, key], natural: "version" }
      },
      "eventAt",
      eventChars
    ),
    (rows) => rows.map((row) => eventOf(wanted.domain, row))
  )
