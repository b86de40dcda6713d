/**
 * What SQLite says, by its primary result code, when it cannot do now what it could do before. Any other, such as 18
 * (too big), 20 (mismatch), 25 (range), or 1, by which it names what is wrong with a statement, is a bug of ours.
 */
const troubles: ReadonlySet<number> = new Set([
  3, // PERM
  4, // ABORT
  5, // BUSY
  6, // LOCKED
  7, // NOMEM
  8, // READONLY
  9, // INTERRUPT
  10, // IOERR
  11, // CORRUPT
  13, // FULL
  14, // CANTOPEN
  15, // PROTOCOL, of locks
  17, // SCHEMA, which another program changed
  22, // NOLFS
  23, // AUTH
  26 // NOTADB
])

/** Rows are in the way that nobody but another program can have written; other constraints are of the row itself. */
const conflicts: ReadonlySet<number> = new Set([1555, 2067, 2579])

/** A table that is gone is no mistake either, though it has the code of one: only another program can have dropped it. */
const isGone = ({ message }: Error): boolean => message.startsWith("no such table")

/** Whether the file cannot be used now, and not a mistake of ours. */
export const isFileTrouble = (error: unknown): boolean => {
  if (!(error instanceof Error && "code" in error && error.code === "ERR_SQLITE_ERROR")) return false
  const code = "errcode" in error ? Number(error.errcode) : Number.NaN
  // The file was not opened by SQLite, or the connection was closed.
  return Number.isNaN(code) || troubles.has(code & 0xff) || conflicts.has(code) || isGone(error)
}

/** Whether a step is wrong by itself: SQLite or its driver does not take what is in it. */
export const isMistake = (error: unknown): boolean =>
  error instanceof TypeError ||
  error instanceof RangeError ||
  (error instanceof Error && "code" in error && error.code === "ERR_SQLITE_ERROR" && !isFileTrouble(error))
