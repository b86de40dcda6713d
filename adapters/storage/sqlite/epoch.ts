import { closeSync, openSync, readSync, statSync } from "node:fs"
import { DatabaseSync } from "node:sqlite"
import { uriOf } from "./file.ts"

// SQLite lays a write-ahead log over whatever database lies beside it. Over one that was restored from a backup it would
// lay pages of another state, and damage it. So the first commit after each checkpoint, which may begin a new log, names a
// new epoch in the database, and the one before it: a log belongs to a database which is at one of its epochs, or at the
// one before the first.

/** Columns of the one row of `database`. All have fixed lengths, by which the row is found in a log. */
interface Row {
  readonly id: string
  readonly epoch: string
  /** Empty before the first. */
  readonly previous: string
}

/** SQLite counts changes of the schema here; a copy by its backup or VACUUM has another number. 0 compares with any. */
const cookieText = (cookie: number): string => (cookie >>> 0).toString(16).padStart(8, "0")
const randomText = (length: number): string => {
  let text = ""
  while (text.length < length) text += crypto.randomUUID().replaceAll("-", "")
  return text.slice(0, length)
}

export const newId = (): string => randomText(32)
/** Chance, the number of schema changes, and the commits that came before: a copy from within an epoch has fewer. */
export const newEpoch = (cookie: number, commits: bigint): string =>
  randomText(12) + cookieText(cookie) + commits.toString(16).padStart(12, "0")
const partsOf = (epoch: string) => ({ cookie: epoch.slice(12, 20), commits: BigInt(`0x${epoch.slice(20)}`) })
export const cookieOf = (db: DatabaseSync): number =>
  Number(db.prepare("PRAGMA schema_version").get()?.["schema_version"])

/** Throws where the log beside a database was written for another state of it. Neither is touched. */
export const refuseForeignLog = (path: string): void => {
  const rows = rowsInLog(`${path}-wal`)
  const [first] = rows
  if (first === undefined) return
  const database = rowIn(path)
  if (database === "unreadable") return
  const epochs = [first.previous, ...rows.map(({ epoch }) => epoch)]
  const { cookie, commits } = partsOf(first.epoch)
  const belongs =
    database === undefined
      ? first.previous === ""
      : database.id === first.id &&
        epochs.includes(database.epoch) &&
        database.commits >= commits &&
        (cookie === cookieText(0) || cookie === database.cookie)
  if (belongs) return
  throw new Error(
    `${path}-wal does not belong to ${path}: it was written for another state of it. ` +
      `If ${path} was restored from a backup, remove ${path}-wal and ${path}-shm, and start again`
  )
}

/**
 * The row as it is in the database without its log: none before the first checkpoint. One that was interrupted leaves a
 * database that cannot be read without its log; a backup always can.
 */
const rowIn = (
  path: string
): (Row & { readonly cookie: string; readonly commits: bigint }) | undefined | "unreadable" => {
  const db = new DatabaseSync(uriOf(path, "immutable=1"))
  try {
    const row = db.prepare("SELECT id, epoch, previous FROM database").get() as unknown as Row
    const last = db.prepare("SELECT coalesce(max(moved), 0) AS commits FROM domains")
    last.setReadBigInts(true)
    return { ...row, cookie: cookieText(cookieOf(db)), commits: last.get()!["commits"] as bigint }
  } catch (error) {
    return error instanceof Error && error.message.includes("no such table") ? undefined : "unreadable"
  } finally {
    db.close()
  }
}

const headerBytes = 32
const frameHeaderBytes = 24

/** Every state of the row in a log, in order (https://www.sqlite.org/fileformat2.html#walformat). */
const rowsInLog = (path: string): ReadonlyArray<Row> => {
  const size = statSync(path, { throwIfNoEntry: false })?.size ?? 0
  if (size <= headerBytes) return []
  const fd = openSync(path, "r")
  try {
    const header = Buffer.alloc(headerBytes)
    readSync(fd, header, 0, headerBytes, 0)
    const magic = header.readUInt32BE(0)
    if (magic !== 0x377f0682 && magic !== 0x377f0683) return []
    const frame = Buffer.alloc(frameHeaderBytes + header.readUInt32BE(8))
    const rows: Array<Row> = []
    for (let at = headerBytes; at + frame.length <= size; at += frame.length) {
      readSync(fd, frame, 0, frame.length, at)
      // Frames of the log before this one have other salts, and none of this one's come behind them.
      if (frame.compare(header, 16, 24, 8, 16) !== 0) break
      const row = rowOf(frame.subarray(frameHeaderBytes))
      if (row !== undefined) rows.push(row)
    }
    return rows
  } finally {
    closeSync(fd)
  }
}

const leafPage = 0x0d
/** Payload bytes, row id 1, header bytes, and the lengths of three texts: 32, 32, and 32 or 0. */
const cellStart = Buffer.from([100, 1, 4, 77, 77, 77])
const firstCellStart = Buffer.from([68, 1, 4, 77, 77, 13])

/** The row, if this is the page that holds it and nothing else. */
const rowOf = (page: Buffer): Row | undefined => {
  if (page[0] !== leafPage || page.readUInt16BE(3) !== 1) return undefined
  const at = page.readUInt16BE(8)
  const start = page.subarray(at, at + cellStart.length)
  if (!start.equals(cellStart) && !start.equals(firstCellStart)) return undefined
  const text = page.toString("latin1", at + cellStart.length, at + 1 + 1 + page[at]!)
  return { id: text.slice(0, 32), epoch: text.slice(32, 64), previous: text.slice(64) }
}
