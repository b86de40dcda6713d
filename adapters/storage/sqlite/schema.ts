import type { DatabaseSync } from "node:sqlite"
import { newEpoch, newId } from "./epoch.ts"

/** "sgat" in ASCII: tells our files from any other SQLite database. */
const applicationId = 0x73676174

/**
 * Each entry brings a file from the version before it to its own; files keep their version in `user_version`. An entry
 * that was released is never changed.
 */
const migrations: ReadonlyArray<string> = [
  `
  CREATE TABLE domains (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    incarnation TEXT NOT NULL,
    position INTEGER NOT NULL,
    time INTEGER NOT NULL,
    event_id TEXT NOT NULL,
    -- Counts commits of the whole file: what moved since is what has a larger number.
    moved INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX domains_by_moved ON domains (moved);

  CREATE TABLE entities (
    domain INTEGER NOT NULL,
    type TEXT NOT NULL,
    key TEXT NOT NULL,
    version INTEGER NOT NULL,
    deleted INTEGER NOT NULL,
    "values" TEXT NOT NULL
  ) STRICT;
  CREATE UNIQUE INDEX entities_by_ref ON entities (domain, type, key);

  CREATE TABLE events (
    domain INTEGER NOT NULL,
    position INTEGER NOT NULL,
    id TEXT NOT NULL,
    time INTEGER NOT NULL,
    method TEXT NOT NULL,
    type TEXT NOT NULL,
    key TEXT NOT NULL,
    version INTEGER NOT NULL,
    "values" TEXT NOT NULL,
    claims TEXT NOT NULL,
    caller TEXT,
    request_id TEXT,
    request_hash TEXT,
    traceparent TEXT,
    erased INTEGER NOT NULL
  ) STRICT;
  CREATE UNIQUE INDEX events_by_position ON events (domain, position);
  CREATE UNIQUE INDEX events_by_version ON events (domain, type, key, version);
  CREATE INDEX events_by_type ON events (domain, type, position);
  CREATE INDEX events_by_id ON events (id);
  CREATE INDEX events_by_request ON events (domain, caller, request_id, position) WHERE request_id IS NOT NULL;
  `,
  `
  -- One row: which database this is, and which of its logs it stands at; see epoch.ts.
  CREATE TABLE database (id TEXT NOT NULL, epoch TEXT NOT NULL, previous TEXT NOT NULL) STRICT;
  `
]

/**
 * Pages of 4 KiB in the write-ahead log after which it is brought into the file. Eight times SQLite's own: a page that
 * changes again and again is copied once, and a commit takes a fifth less.
 */
const checkpointPages = 8_000

const pragma = (db: DatabaseSync, name: string): unknown => {
  const row = db.prepare(`PRAGMA ${name}`).get()
  return row === undefined ? undefined : Object.values(row)[0]
}

/**
 * Brings a freshly opened database up to this version. Throws, with a message for the operator, when it is another
 * program's or a newer version's.
 */
export const prepare = (db: DatabaseSync, path: string): void => {
  makeDurable(db, path)
  if (isCurrent(db)) return
  db.exec("BEGIN EXCLUSIVE")
  try {
    migrate(db, path)
    db.exec("COMMIT")
  } catch (error) {
    if (db.isTransaction) db.exec("ROLLBACK")
    throw error
  }
}

/** Every commit of this connection is on the disk before it returns. */
export const makeDurable = (db: DatabaseSync, path: string): void => {
  const mode = pragma(db, "journal_mode = WAL")
  if (mode !== "wal") throw new Error(`${path}: the file system does not allow write-ahead logging`)
  // NORMAL would lose the last ones with the power.
  db.exec("PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA trusted_schema = OFF")
  db.exec(`PRAGMA wal_autocheckpoint = ${checkpointPages}`)
}

const newer = (path: string, version: number): string =>
  `${path}: was written by a newer version (its format is ${version}, ours ${migrations.length})`

const isCurrent = (db: DatabaseSync): boolean =>
  pragma(db, "application_id") === applicationId && Number(pragma(db, "user_version")) === migrations.length

const migrate = (db: DatabaseSync, path: string): void => {
  const id = pragma(db, "application_id")
  const version = Number(pragma(db, "user_version"))
  const tables = Number(db.prepare("SELECT count(*) AS n FROM sqlite_schema").get()?.["n"])
  if (id !== applicationId && (tables > 0 || version > 0)) throw new Error(`${path}: is another program's database`)
  if (version > migrations.length) {
    throw new Error(newer(path, version))
  }
  if (version === migrations.length) return
  for (const migration of migrations.slice(version)) db.exec(migration)
  if (version < 2) db.prepare("INSERT INTO database VALUES (?, ?, '')").run(newId(), newEpoch(0, 0n))
  else db.prepare("UPDATE database SET previous = epoch, epoch = ?").run(newEpoch(0, 0n))
  db.exec(`PRAGMA application_id = ${applicationId}; PRAGMA user_version = ${migrations.length}`)
}

/** Whether there is something of ours in a database. Throws where that is of a newer version. */
export const isOurs = (db: DatabaseSync, path: string): boolean => {
  const version = Number(pragma(db, "user_version"))
  if (pragma(db, "application_id") !== applicationId) return false
  if (version > migrations.length) throw new Error(newer(path, version))
  return true
}

/** The identity that a database keeps inside, and takes along when it is copied. */
export const idOf = (db: DatabaseSync): string => String(db.prepare("SELECT id FROM database").get()?.["id"])

/** Domains whose heads are compared with their logs at start: those that changed last. */
const checkedDomains = 10_000

/** Throws where a head and its log do not agree, since an append would leave a gap. */
export const checkHeads = (db: DatabaseSync, path: string): void => {
  const event = (position: string) =>
    `EXISTS (SELECT 1 FROM events WHERE domain = recent.id AND position = recent.position ${position})`
  const broken = db
    .prepare(
      `SELECT name FROM (SELECT * FROM domains ORDER BY moved DESC LIMIT ${checkedDomains}) AS recent
       WHERE position > 0 AND NOT (${event("AND id = recent.event_id")} AND (position = 1 OR ${event("- 1")})) LIMIT 1`
    )
    .get()
  if (broken === undefined) return
  throw new Error(
    `${path}: the log of the domain ${JSON.stringify(broken["name"])} does not end at its head. Its files are damaged, or ` +
      "do not belong together; restore a backup"
  )
}

/** The last time in the logs that changed last. */
export const lastTimeIn = (db: DatabaseSync): bigint => {
  const recent = `SELECT time FROM domains ORDER BY moved DESC LIMIT ${checkedDomains}`
  const statement = db.prepare(`SELECT coalesce(max(time), 0) AS time FROM (${recent})`)
  statement.setReadBigInts(true)
  return statement.get()!["time"] as bigint
}

/**
 * Brings all that the open log holds into the database, and takes the log away. SQLite does so only where no other program
 * has the database open, by whatever path.
 */
export const takeLogIn = (db: DatabaseSync): boolean => {
  try {
    return pragma(db, "journal_mode = DELETE") === "delete"
  } catch {
    // Closing it now would lose what is in a log that has no name any more.
    return false
  }
}
