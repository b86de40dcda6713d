import { mkdirSync } from "node:fs"
import { dirname } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { away, type Unavailable } from "../../../application/failure.ts"
import { sqliteBusyMs } from "../../../application/limits.ts"
import { lockedFile } from "./lock.ts"
import { prepare } from "./schema.ts"
import { prepareReads, type Reads } from "./statements.ts"

/** An open database. */
export interface Open {
  readonly db: DatabaseSync
  readonly statements: Reads
  readonly lock: DatabaseSync
}

/**
 * The connection that reads, and what keeps other processes out. Any failure closes it, and the next use opens it anew:
 * what SQLite remembers of a disk that was full, or read-only, or gone, must not outlive the trouble.
 */
export class Connection {
  readonly #path: string
  #open: Open | undefined

  constructor(path: string) {
    this.#path = path
  }

  /** Opens the file if it is not open. Throws what keeps it from being served. */
  open(): Open {
    if (this.#open !== undefined) return this.#open
    mkdirSync(dirname(this.#path), { recursive: true })
    const lock = lockedFile(this.#path)
    let db: DatabaseSync | undefined
    try {
      db = new DatabaseSync(this.#path, { timeout: sqliteBusyMs })
      prepare(db, this.#path)
      this.#open = { db, lock, statements: prepareReads(db) }
      return this.#open
    } catch (error) {
      db?.close()
      lock.close()
      throw error
    }
  }

  close(): void {
    const open = this.#open
    this.#open = undefined
    open?.db.close()
    open?.lock.close()
  }

  /** Lets go of the file, whatever state it is in. */
  drop(): void {
    try {
      this.close()
    } catch {
      // It is let go of in any case.
    }
  }

  /** What `use` reads, or that the store is not available. */
  read<A>(use: (open: Open) => A): A | Unavailable {
    try {
      return use(this.open())
    } catch (cause) {
      // A mistake of ours is no trouble with the file, and asking again would not help.
      if (this.#open !== undefined && !isSqlite(cause)) throw cause
      this.drop()
      return away(cause)
    }
  }

  /** The same, all of it as it is at one moment. */
  readOnce<A>(use: (open: Open) => A): A | Unavailable {
    return this.read((open) => {
      open.statements.begin.run()
      try {
        return use(open)
      } finally {
        if (open.db.isTransaction) open.statements.end.run()
      }
    })
  }
}

export const isSqlite = (error: unknown): boolean =>
  error instanceof Error && "code" in error && error.code === "ERR_SQLITE_ERROR"
