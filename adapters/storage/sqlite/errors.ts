import { accessSync, constants, statSync } from "node:fs"
import { dirname } from "node:path"

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

/**
 * Why a database could not be opened or made, for the operator: what is wrong with which path, and what to do. SQLite
 * says no more than "unable to open database file", so the paths are looked at again.
 */
export const reasonOf = (cause: unknown, path: string): string => {
  const message = cause instanceof Error ? cause.message : String(cause)
  if (message.includes("database is locked")) return `${path} is in use by another process`
  if (codeOf(cause) === "ERR_SQLITE_ERROR" && /unable to open|readonly|read-only|I\/O/.test(message)) {
    const found = problemOf(path)
    if (found !== undefined) return found
    if (!message.includes("unable to open database file")) return `${path}: ${message}`
    return `${path} cannot be opened or made; give a path in a folder that can be written`
  }
  const why = reasons[codeOf(cause) ?? ""]
  if (why !== undefined && isMaking(cause)) {
    return `${path}: its folder ${dirname(path)} cannot be made: ${why}; give a path in a folder that can be written`
  }
  return message.startsWith(path) ? message : `${path}: ${message}`
}

/** What the system says by its codes. */
const reasons: Readonly<Record<string, string>> = {
  EACCES: `user ${process.getuid?.() ?? "of this process"} has no permission to write there`,
  EPERM: `user ${process.getuid?.() ?? "of this process"} has no permission to write there`,
  EROFS: "the file system is read-only",
  ENOTDIR: "a part of it is a file",
  EEXIST: "it is a file",
  ENOENT: "no folder can be made there",
  ENOSPC: "the disk is full",
  ENAMETOOLONG: "the name is too long",
  ELOOP: "its symbolic links go round in a circle"
}

const codeOf = (cause: unknown): string | undefined =>
  cause instanceof Error && "code" in cause && typeof cause.code === "string" ? cause.code : undefined

const isMaking = (cause: unknown): boolean => cause instanceof Error && "syscall" in cause && cause.syscall === "mkdir"

/** What keeps SQLite from writing to a file and beside it; undefined where the system names no reason. */
const problemOf = (path: string): string | undefined => {
  const folder = dirname(path)
  const found = statSync(path, { throwIfNoEntry: false })
  const inFolder = refusedBy(folder, constants.W_OK | constants.X_OK)
  if (inFolder !== undefined) {
    return `${path}: its folder ${folder} cannot be written: ${inFolder}; make it writable, for SQLite keeps more files beside the database, or give another path`
  }
  const inFile = found && refusedBy(path, constants.R_OK | constants.W_OK)
  return inFile && `${path} cannot be written: ${inFile}; make it writable, or give another path`
}

const refusedBy = (path: string, mode: number): string | undefined => {
  try {
    accessSync(path, mode)
    return undefined
  } catch (error) {
    return reasons[codeOf(error) ?? ""] ?? String(error)
  }
}
