import type { DatabaseSync, StatementSync } from "node:sqlite"
import type { Entity } from "../../../domain/entity.ts"
import { eventColumns } from "./rows.ts"

const prepared =
  (db: DatabaseSync) =>
  (sql: string): StatementSync => {
    const statement = db.prepare(sql)
    // Exactly, as bigints.
    statement.setReadBigInts(true)
    return statement
  }

/** The statements that read and never change, prepared once a connection. */
export const prepareReads = (db: DatabaseSync) => {
  const prepare = prepared(db)
  const entities = (where: string) =>
    prepare(`SELECT type, key, version, deleted, "values" FROM entities WHERE ${where}`)
  const events = (where: string) => {
    const statement = prepare(`SELECT ${eventColumns} FROM events WHERE ${where}`)
    statement.setReturnArrays(true)
    return statement
  }
  return {
    begin: prepare("BEGIN"),
    end: prepare("END"),
    domain: prepare("SELECT * FROM domains WHERE name = ?"),
    domains: prepare("SELECT * FROM domains WHERE name >= ? ORDER BY name"),
    moved: prepare("SELECT * FROM domains WHERE moved > ?"),
    last: prepare("SELECT coalesce(max(moved), 0) AS moved, coalesce(max(id), 0) AS id FROM domains"),
    entity: entities("domain = ? AND type = ? AND key = ?"),
    entitiesAfter: entities("domain = ? AND (type, key) > (?, ?) ORDER BY type, key LIMIT ?"),
    bytesAfter: prepare(`SELECT coalesce(sum(octet_length("values") + octet_length(claims)), 0) AS bytes
      FROM (SELECT "values", claims FROM events WHERE domain = ? AND position > ? ORDER BY position LIMIT ?)`),
    eventsAfter: events("domain = ? AND position > ? ORDER BY position LIMIT ?"),
    eventAt: events("domain = ? AND position = ?"),
    version: events("domain = ? AND type = ? AND key = ? AND version = ?"),
    event: events("id = ? AND domain = ? AND type = ? AND key = ?"),
    remembered: events("domain = ? AND caller = ? AND request_id = ? ORDER BY position")
  }
}

export type Reads = ReturnType<typeof prepareReads>

/** What a transaction is made of; each changes one row. */
const writes = {
  addDomain:
    "INSERT INTO domains (id, name, incarnation, position, time, event_id, moved) VALUES (?, ?, ?, 0, 0, '', 0)",
  addEvent: `INSERT INTO events (domain, ${eventColumns}) VALUES (?${", ?".repeat(14)})`,
  putEntity: `INSERT INTO entities (domain, type, key, version, deleted, "values") VALUES (?, ?, ?, ?, ?, ?)
    ON CONFLICT (domain, type, key) DO UPDATE
    SET version = excluded.version, deleted = excluded.deleted, "values" = excluded."values"`,
  /** Only from where it was when the commit was decided. */
  moveDomain: "UPDATE domains SET position = ?, time = ?, event_id = ?, moved = ? WHERE id = ? AND position = ?",
  dropEntity: "DELETE FROM entities WHERE domain = ? AND type = ? AND key = ?"
} as const

/** One change of one row: the statement by its name, and what is bound to it. */
export type Step = readonly [name: keyof typeof writes, ...params: ReadonlyArray<null | number | bigint | string>]

/** Sets the state of an entity. */
export const putEntity = (domain: bigint, { type, key, version }: Entity, isDeleted: boolean, values: string): Step => [
  "putEntity",
  domain,
  type,
  key,
  version,
  isDeleted ? 1 : 0,
  values
]

/** What writes, prepared once a connection. */
export const prepareWrites = (db: DatabaseSync) => {
  const prepare = prepared(db)
  const steps = Object.entries(writes).map(([name, sql]) => [name, prepare(sql)] as const)
  return {
    begin: prepare("BEGIN IMMEDIATE"),
    commit: prepare("COMMIT"),
    commits: prepare("SELECT coalesce(max(moved), 0) AS commits FROM domains"),
    nameEpoch: prepare("UPDATE database SET previous = epoch, epoch = ?"),
    eventId: prepare("SELECT event_id FROM domains WHERE name = ?"),
    steps: Object.fromEntries(steps) as Record<Step[0], StatementSync>
  }
}

export type Writes = ReturnType<typeof prepareWrites>
