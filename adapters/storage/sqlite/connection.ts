import { mkdirSync } from "node:fs"
import { dirname } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { OutcomeUnknown, Unavailable } from "../../../application/failure.ts"
import { prepare } from "./schema.ts"
import { prepareStatements, type Statements } from "./statements.ts"

/** An open database. */
export interface Open {
  readonly db: DatabaseSync
  readonly statements: Statements
}

const away = (cause: unknown) => new Unavailable({ message: "the store is not available; try again later", cause })

/**
 * The one connection to the file. Any failure closes it, and the next use opens it anew: what SQLite remembers of a
 * disk that was full, or read-only, or gone, must not outlive the trouble.
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
    const db = new DatabaseSync(this.#path, { timeout: 0 })
    try {
      prepare(db, this.#path)
      this.#open = { db, statements: prepareStatements(db) }
      return this.#open
    } catch (error) {
      db.close()
      throw error
    }
  }

  close(): void {
    const open = this.#open
    this.#open = undefined
    open?.db.close()
  }

  /** What `use` reads, or that the store is not available. */
  read<A>(use: (open: Open) => A): A | Unavailable {
    try {
      return use(this.open())
    } catch (cause) {
      // A mistake of ours is no trouble with the file, and asking again would not help.
      if (this.#open !== undefined && !isSqlite(cause)) throw cause
      this.#drop()
      return away(cause)
    }
  }

  /**
   * Runs `use` as one transaction that is on the disk when this returns. When COMMIT itself fails, `isThere` is asked
   * after a fresh start, which replays or drops what the log of the file holds: the outcome is looked up, not guessed.
   */
  write<A>(use: (open: Open) => A, isThere: (open: Open, result: A) => boolean): A | Unavailable | OutcomeUnknown {
    let result: A
    let committing = false
    try {
      const open = this.open()
      open.statements.begin.run()
      result = rolledBackOnThrow(open.db, () => use(open))
      committing = true
      open.statements.commit.run()
      return result
    } catch (cause) {
      if (cause instanceof UseFailed) throw cause.cause
      this.#drop()
      if (!committing) return away(cause)
      try {
        return isThere(this.open(), result!) ? result! : away(cause)
      } catch {
        return new OutcomeUnknown({ cause })
      } finally {
        // Not kept: a file that is open for writing keeps an operator from mending the disk.
        this.#drop()
      }
    }
  }

  #drop(): void {
    try {
      this.close()
    } catch {
      // The file is let go of in any case.
    }
  }
}

/** Carries what is no fault of the database past the handling of those that are. */
class UseFailed extends Error {}

const rolledBackOnThrow = <A>(db: DatabaseSync, use: () => A): A => {
  try {
    return use()
  } catch (cause) {
    if (isSqlite(cause)) throw cause
    db.exec("ROLLBACK")
    throw new UseFailed("the commit was given up", { cause })
  }
}

const isSqlite = (error: unknown): boolean =>
  error instanceof Error && "code" in error && error.code === "ERR_SQLITE_ERROR"
