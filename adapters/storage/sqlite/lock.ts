import { DatabaseSync } from "node:sqlite"
import { identityOf } from "./file.ts"

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
