import type { StatementSync } from "node:sqlite"
import { Effect } from "effect"
import type { Unavailable } from "../../../application/failure.ts"
import { logPageBytesMax, pageItemsMax, scanSliceMs } from "../../../application/limits.ts"
import type { EventSearch, Page, Search } from "../../../application/ports/EventStore.ts"
import { integerMax, keyRangeOf, pinnedKey, positionRangeOf } from "../../../application/storage/range.ts"
import { type Candidates, scan } from "../../../application/storage/scan.ts"
import type { Entity } from "../../../domain/entity.ts"
import type { Event } from "../../../domain/event.ts"
import type { TooLarge } from "../../../domain/rejection.ts"
import type { Open } from "./connection.ts"
import { type DomainRow, type EntityRow, type EventRow, eventChars, eventColumns, eventOf, stateOf } from "./rows.ts"

/** Reads from the open database, within one turn of the event loop, what it holds at one moment. */
export type Read = <A>(use: (open: Open) => A) => Effect.Effect<A, Unavailable>

type Found<Item> = Effect.Effect<Page<Item>, TooLarge | Unavailable>
type Param = string | bigint

/** The conditions of a WHERE, each with what is bound to its `?`. Nothing that a client wrote is in the text. */
type Conditions = ReadonlyArray<readonly [sql: string, ...params: ReadonlyArray<Param>]>

/** The rows that an index finds, and the column in whose order it has them. */
interface Source<Row> {
  readonly select: string
  readonly isArray: boolean
  readonly where: Conditions
  /** Where it begins, until a row was seen; then after that row. SQLite might seek by the wrong one of two bounds. */
  readonly begin: Conditions
  readonly natural: string
  readonly naturalOf: (row: Row) => Param
  readonly charsOf: (row: Row) => number
}

const sliceRowsFirst = 256

/**
 * The rows of a search, a slice at a time: this thread serves all calls. The first slice holds the rows as they are at
 * one moment; those after it may see changes that are made meanwhile.
 */
const slices = <Row>(
  read: Read,
  { order, domain }: Search,
  sourceOf: (open: Open, domain: bigint) => Source<Row>
): Candidates<Row, never>["next"] => {
  const [direction, beyond] = order.reverse ? ["DESC", "<"] : ["ASC", ">"]
  let last: Param | undefined
  let isEnd = false
  let rowsMax = sliceRowsFirst
  /** Of one open database: another one may have been opened meanwhile, and knows none of these. */
  let prepared: { readonly of: Open; readonly isFirst: boolean; readonly source: Source<Row> } | undefined
  let statement: StatementSync | undefined

  const prepare = (open: Open): Source<Row> | undefined => {
    if (prepared?.of === open && prepared.isFirst === (last === undefined)) return prepared.source
    const row = open.statements.domain.get(domain) as DomainRow | undefined
    if (row === undefined) return undefined
    const source = sourceOf(open, row.id)
    const bounds = last === undefined ? source.begin.map(([sql]) => sql) : [`${source.natural} ${beyond} ?`]
    const where = [...source.where.map(([sql]) => sql), ...bounds].join(" AND ")
    statement = open.db.prepare(`${source.select} WHERE ${where} ORDER BY ${source.natural} ${direction} LIMIT ?`)
    statement.setReadBigInts(true)
    statement.setReturnArrays(source.isArray)
    prepared = { of: open, isFirst: last === undefined, source }
    return source
  }

  const slice = (open: Open): ReadonlyArray<Row> => {
    const source = isEnd ? undefined : prepare(open)
    if (source === undefined) return []
    const bounds = last === undefined ? source.begin.flatMap(([, ...params]) => params) : [last]
    const bound = [...source.where.flatMap(([, ...params]) => params), ...bounds, rowsMax]
    const rows: Array<Row> = []
    const until = performance.now() + scanSliceMs
    let chars = 0
    for (const row of statement!.iterate(...bound) as Iterable<unknown> as Iterable<Row>) {
      rows.push(row)
      chars += source.charsOf(row)
      if (chars > logPageBytesMax || performance.now() > until) break
    }
    isEnd = rows.length === 0
    if (rows.length > 0) last = source.naturalOf(rows.at(-1)!)
    rowsMax = Math.min(rowsMax * 2, pageItemsMax)
    return rows
  }
  return read(slice)
}

/** What is there now of what was found, all of it at one moment. */
const rowsNow =
  <Row>(read: Read, domain: string, get: (open: Open, domain: bigint, tie: string | bigint) => unknown) =>
  (ties: ReadonlyArray<string | bigint>): Effect.Effect<ReadonlyArray<Row>, Unavailable> =>
    read((open) => {
      const row = open.statements.domain.get(domain) as DomainRow | undefined
      if (row === undefined) return []
      return ties.map((tie) => get(open, row.id, tie) as Row | undefined).filter((found) => found !== undefined)
    })

export const searchEntities = (read: Read, wanted: Search): Found<Entity> => {
  const { domain, type, order } = wanted
  const { from, to } = keyRangeOf(wanted)
  const lower: Conditions = from === undefined ? [] : [[`key ${from.isIncluded ? ">=" : ">"} ?`, from.key]]
  const upper: Conditions = to === undefined ? [] : [[`key ${to.isIncluded ? "<=" : "<"} ?`, to.key]]
  const next = slices<EntityRow>(read, wanted, (_, id) => ({
    select: 'SELECT type, key, version, deleted, "values" FROM entities',
    isArray: false,
    where: [["domain = ? AND type = ? AND deleted = 0", id, type], ...(order.reverse ? lower : upper)],
    begin: order.reverse ? upper : lower,
    natural: "key",
    naturalOf: ({ key }) => key,
    charsOf: ({ values }) => values.length
  }))
  const now = rowsNow<EntityRow>(read, domain, ({ statements }, id, key) => statements.entity.get(id, type, key))
  return scan<EntityRow, Entity>(wanted, {
    next,
    subjectOf: (row) => stateOf(domain, row),
    again: (ties) => Effect.map(now(ties), (rows) => rows.filter(({ deleted }) => deleted === 0n))
  })
}

export const searchEvents = (read: Read, wanted: EventSearch): Found<Event> => {
  const { domain, type, query, order, min, max, after } = wanted
  const { from, to } = positionRangeOf(wanted)
  const key = pinnedKey(query)
  const lower: Conditions = [["position >= ?", from]]
  const upper: Conditions = [["position <= ?", to]]
  const next = slices<EventRow>(read, wanted, ({ statements }, id) => {
    const within: Conditions = [
      ["domain = ? AND type = ? AND time > ? AND time <= ?", id, type, min, max === 0n ? integerMax : max - 1n]
    ]
    const source = { select: `SELECT ${eventColumns} FROM events`, isArray: true, charsOf: eventChars }
    if (key === undefined) {
      const where = [...within, ...(order.reverse ? lower : upper)]
      const begin = order.reverse ? upper : lower
      return { ...source, where, begin, natural: "position", naturalOf: ([position]) => position }
    }
    // The versions of an entity are in the order of positions, and have an index, in which a page begins with a version.
    const row = after === undefined ? undefined : (statements.eventAt.get(id, after.tie) as EventRow | undefined)
    const isOfKey = row !== undefined && order.at === undefined && row[4] === type && row[5] === key
    const begin: Conditions = isOfKey ? [[`version ${order.reverse ? "<" : ">"} ?`, row[6]]] : []
    const where: Conditions = [...within, ["key = ?", key], ...lower, ...upper]
    return { ...source, where, begin, natural: "version", naturalOf: (found) => found[6] }
  })
  return scan<EventRow, Event>(wanted, {
    next,
    subjectOf: (row) => eventOf(domain, row),
    again: rowsNow<EventRow>(read, domain, ({ statements }, id, position) => statements.eventAt.get(id, position))
  })
}
