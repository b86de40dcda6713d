import type { DatabaseSync, StatementSync } from "node:sqlite"

const eventColumns =
  'position, id, time, method, type, key, version, "values", claims, caller, request_id, request_hash, traceparent, erased'

/** The statements that never change, prepared once a connection. Integers are read exactly, as bigints. */
export const prepareStatements = (db: DatabaseSync) => {
  const prepare = (sql: string): StatementSync => {
    const statement = db.prepare(sql)
    statement.setReadBigInts(true)
    return statement
  }
  const events = (where: string) => prepare(`SELECT ${eventColumns} FROM events WHERE ${where}`)
  return {
    begin: prepare("BEGIN IMMEDIATE"),
    commit: prepare("COMMIT"),
    domain: prepare("SELECT * FROM domains WHERE name = ?"),
    domains: prepare("SELECT * FROM domains WHERE name >= ? ORDER BY name"),
    moved: prepare("SELECT * FROM domains WHERE moved > ?"),
    lastMoved: prepare("SELECT coalesce(max(moved), 0) AS moved FROM domains"),
    addDomain: prepare(
      "INSERT INTO domains (name, incarnation, position, time, event_id, moved) VALUES (?, ?, 0, 0, '', 0) RETURNING id"
    ),
    moveDomain: prepare("UPDATE domains SET position = ?, time = ?, event_id = ?, moved = ? WHERE id = ?"),
    entity: prepare(
      'SELECT type, key, version, deleted, "values" FROM entities WHERE domain = ? AND type = ? AND key = ?'
    ),
    putEntity: prepare(`INSERT INTO entities (domain, type, key, version, deleted, "values") VALUES (?, ?, ?, ?, ?, ?)
      ON CONFLICT (domain, type, key) DO UPDATE
      SET version = excluded.version, deleted = excluded.deleted, "values" = excluded."values"`),
    dropEntity: prepare("DELETE FROM entities WHERE domain = ? AND type = ? AND key = ?"),
    entitiesAfter: prepare(`SELECT type, key, version, deleted, "values" FROM entities
      WHERE domain = ? AND (type, key) > (?, ?) ORDER BY type, key LIMIT ?`),
    addEvent: prepare(`INSERT INTO events (domain, ${eventColumns}) VALUES (?${", ?".repeat(14)})`),
    eventsAfter: events("domain = ? AND position > ? ORDER BY position LIMIT ?"),
    version: events("domain = ? AND type = ? AND key = ? AND version = ?"),
    event: events("id = ? AND domain = ? AND type = ? AND key = ?"),
    remembered: events("domain = ? AND caller = ? AND request_id = ? ORDER BY position")
  }
}

export type Statements = ReturnType<typeof prepareStatements>
