import { lstatSync, readFileSync, realpathSync, statSync } from "node:fs"
import { basename, dirname, join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { pathToFileURL } from "node:url"

/** The files of a database, each by device and inode; an empty text where the path names none. */
export interface Files {
  readonly db: string
  readonly wal: string
  readonly shm: string
}

/** The path of the database names another file, or none. What was opened is not touched, and goes on when it is back. */
export class Moved extends Error {
  constructor() {
    super("the path of the database names another file than the one that is served, or none")
  }
}

/** The files that SQLite keeps beside the database were removed or replaced. What they held is still in open files. */
export class Detached extends Error {
  constructor() {
    super("the -wal or -shm file beside the database was removed or replaced, and another program has it open")
  }
}

const statOf = (path: string) => {
  try {
    return statSync(path, { bigint: true, throwIfNoEntry: false })
  } catch {
    // A folder that is none any more, or that may not be looked into: the path names nothing.
    return undefined
  }
}

/** Which file a path names, and when that was written last. */
export const look = (path: string): { readonly identity: string; readonly writtenAt: bigint } => {
  const found = statOf(path)
  return found === undefined
    ? { identity: "", writtenAt: 0n }
    : { identity: `${found.dev}:${found.ino}`, writtenAt: found.mtimeNs }
}

export const identityOf = (path: string): string => look(path).identity

export const filesOf = (path: string): Files => ({
  db: identityOf(path),
  wal: identityOf(`${path}-wal`),
  shm: identityOf(`${path}-shm`)
})

export const sameLog = (a: Files, b: Files): boolean => a.wal === b.wal && a.shm === b.shm

/** Opens a file by SQLite: `rwc` makes it where there is none; `ro` never writes to it. */
export const uriOf = (path: string, options: "mode=rwc" | "mode=rw" | "mode=ro" | "immutable=1"): string =>
  `${pathToFileURL(path).href}?${options}`

/** The path without symbolic links: SQLite keeps its other files beside that one. */
export const realPath = (path: string): string =>
  lstatSync(path, { throwIfNoEntry: false }) === undefined
    ? join(realpathSync(dirname(path)), basename(path))
    : realpathSync(path)

/**
 * Refuses a file that may be reached by another path: SQLite would keep another log for each, and neither gateway would
 * see the changes or the lock of the other.
 */
export const refuseOtherNames = (path: string): void => {
  const found = statOf(path)
  if (found?.isDirectory()) throw new Error(`${path} is a folder; give the path of a file`)
  if (found?.isFile() && found.nlink > 1n) {
    throw new Error(`${path}: has ${found.nlink} names (hard links); remove all but one`)
  }
  if (mountPoints().includes(path)) {
    throw new Error(`${path}: is mounted by itself; mount its folder, since SQLite keeps more files beside it`)
  }
}

/** Linux tells them, with octal escapes; where nobody tells, a bind mount of one file is not noticed. */
const mountPoints = (): ReadonlyArray<string> => {
  let text: string
  try {
    text = readFileSync("/proc/self/mountinfo", "utf8")
  } catch {
    return []
  }
  return text
    .split("\n")
    .map((line) =>
      (line.split(" ")[4] ?? "").replace(/\\([0-7]{3})/g, (_, code: string) => String.fromCharCode(parseInt(code, 8)))
    )
}

/**
 * Keeps every other process out of a database for as long as it is held: a file beside it, locked through SQLite. A lock on
 * the database itself would keep out the other threads of this process as well. It goes with the process, however that
 * ends. Where somebody removes the file meanwhile, the thread that writes still keeps others out, since it holds SQLite's
 * lock for writing; this one is then taken anew.
 */
export class Lock {
  readonly #path: string
  #db: DatabaseSync
  #identity: string

  /** Throws when another process holds it. */
  constructor(database: string) {
    this.#path = `${database}-lock`
    this.#db = lockedFile(this.#path)
    this.#identity = identityOf(this.#path)
  }

  /** Takes the lock anew where its file is another one, or gone. Throws when another process holds that. */
  renew(): void {
    if (identityOf(this.#path) === this.#identity) return
    const db = lockedFile(this.#path)
    this.#db.close()
    this.#db = db
    this.#identity = identityOf(this.#path)
  }

  close(): void {
    this.#db.close()
  }
}

const lockedFile = (path: string): DatabaseSync => {
  const lock = new DatabaseSync(path, { timeout: 0 })
  try {
    lock.exec("BEGIN EXCLUSIVE")
    return lock
  } catch (error) {
    lock.close()
    throw error
  }
}
