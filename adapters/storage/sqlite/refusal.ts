import { accessSync, constants, statSync } from "node:fs"
import { dirname } from "node:path"

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
