import { DatabaseSync } from "node:sqlite"
import { sqliteBusyMs } from "../../../application/limits.ts"
import { cookieOf, newEpoch } from "./epoch.ts"
import { isMistake } from "./errors.ts"
import { Detached, type Files, identityOf, look, Moved, uriOf } from "./file.ts"
import { makeDurable, takeLogIn } from "./schema.ts"
import { prepareWrites, type Step, type Writes } from "./statements.ts"

/** What the thread that writes is asked to do, and which files the thread that reads has open. */
export type Task =
  /** Keeps other writers out from now on. */
  | { readonly _tag: "Open"; readonly files: Files }
  | ({ readonly _tag: "Write" | "Resolve"; readonly files: Files } & Work)
  /** Lets go of the database, with all that its log holds brought into it. */
  | { readonly _tag: "Release"; readonly files: Files }

/** Steps that are to be done together, and by what it is seen afterwards whether they were. */
export interface Work {
  readonly steps: ReadonlyArray<Step>
  /** Domains and the ids of the last events that they have then. Without any, a commit of which nothing is known counts as none. */
  readonly proof: ReadonlyArray<readonly [domain: string, eventId: string]>
}

/** Whether work is on the disk, and why not, or why nobody knows; and whether this thread has the database open. */
export type Outcome = { readonly isOpen: boolean } & (
  | { readonly _tag: "Written" }
  /** `Refused` is not written, either: SQLite does not take what is in the steps. */
  | { readonly _tag: "NotWritten" | "Refused" | "Unknown"; readonly cause: string }
)

interface Open {
  readonly db: DatabaseSync
  readonly statements: Writes
  readonly cookie: number
}

/**
 * The connection that writes, one transaction after another. It holds SQLite's lock for writing between them too, so that
 * no other program writes. As with the one that reads, any failure closes it, and the next use opens it anew.
 */
export class Writing {
  readonly #path: string
  #open: Open | undefined
  /** The next commit may be the first of a log. */
  #isNewLog = true
  #checkpointedAt = 0n

  constructor(path: string) {
    this.#path = path
  }

  do(task: Task): Outcome {
    if (task._tag === "Write") return this.#write(task)
    try {
      if (task._tag === "Release") return this.#release(task.files)
      const { eventId } = this.#opened(task.files).statements
      if (task._tag === "Open") return { _tag: "Written", isOpen: true }
      return this.#resolved(eventId, task.proof)
    } catch (error) {
      this.#drop()
      return { _tag: task._tag === "Resolve" ? "Unknown" : "NotWritten", cause: messageOf(error), isOpen: false }
    }
  }

  /** Work that can wait until the outcome was posted. */
  afterOutcome(): void {
    try {
      if (this.#open !== undefined && !this.#open.db.isTransaction) this.#open.statements.begin.run()
    } catch {
      this.#drop()
    }
  }

  close(): void {
    const open = this.#open
    this.#open = undefined
    if (open?.db.isTransaction) open.db.exec("ROLLBACK")
    open?.db.close()
  }

  /**
   * Does all the steps, or none, as one transaction that is on the disk, in the file that the path names, when this
   * returns. When COMMIT itself fails, it is looked up after a fresh start, which replays or drops what the log of the
   * file holds: nothing is guessed.
   */
  #write({ steps, proof, files }: Work & { readonly files: Files }): Outcome {
    let committing = false
    try {
      const { statements, db, cookie } = this.#opened(files)
      if (!db.isTransaction) statements.begin.run()
      const before = this.#isNewLog ? (statements.commits.get()!["commits"] as bigint) : undefined
      for (const [name, ...params] of steps) {
        const { changes } = statements.steps[name].run(...params)
        if (name === "moveDomain" && Number(changes) !== 1) throw new Error("another program writes to the file")
      }
      if (before !== undefined) statements.nameEpoch.run(newEpoch(cookie, before))
      committing = true
      statements.commit.run()
      const { identity, writtenAt } = look(this.#path)
      // Only a checkpoint writes to the database itself, and the next commit may then begin a new log.
      this.#isNewLog = writtenAt !== this.#checkpointedAt
      this.#checkpointedAt = writtenAt
      // Written it is, but maybe into a file that has no name any more; it stays open, for when it has one again.
      return identity === files.db && identityOf(`${this.#path}-wal`) === files.wal
        ? { _tag: "Written", isOpen: true }
        : { _tag: "Unknown", cause: new Moved().message, isOpen: true }
    } catch (error) {
      this.#drop()
      const cause = messageOf(error)
      if (!committing) return { _tag: isMistake(error) ? "Refused" : "NotWritten", cause, isOpen: false }
      try {
        return { ...this.#resolved(this.#opened(files).statements.eventId, proof, cause), isOpen: false }
      } catch {
        return { _tag: "Unknown", cause, isOpen: false }
      } finally {
        // Not kept: a file that is open for writing keeps an operator from mending the disk.
        this.#drop()
      }
    }
  }

  #opened(files: Files): Open {
    if (this.#open !== undefined) return this.#open
    if (!isAtPath(this.#path, files)) throw new Moved()
    const db = new DatabaseSync(uriOf(this.#path, "mode=rw"), { timeout: sqliteBusyMs })
    try {
      makeDurable(db, this.#path)
      const statements = prepareWrites(db)
      statements.begin.run()
      if (!isAtPath(this.#path, files)) throw new Moved()
      this.#isNewLog = true
      this.#checkpointedAt = look(this.#path).writtenAt
      this.#open = { db, statements, cookie: cookieOf(db) }
      return this.#open
    } catch (error) {
      db.close()
      throw error
    }
  }

  #release(files: Files): Outcome {
    if (this.#open === undefined) return { _tag: "Written", isOpen: false }
    const kept = (error: Error): Outcome => ({ _tag: "NotWritten", cause: error.message, isOpen: true })
    if (identityOf(this.#path) !== files.db) return kept(new Moved())
    const { db } = this.#open
    if (db.isTransaction) db.exec("ROLLBACK")
    if (!takeLogIn(db)) return kept(new Detached())
    this.close()
    return { _tag: "Written", isOpen: false }
  }

  #resolved(eventId: Writes["eventId"], proof: Work["proof"], cause = "the commit did not arrive"): Outcome {
    const isThere = proof.length > 0 && proof.every(([domain, id]) => eventId.get(domain)?.["event_id"] === id)
    return isThere ? { _tag: "Written", isOpen: true } : { _tag: "NotWritten", cause, isOpen: true }
  }

  #drop(): void {
    try {
      this.close()
    } catch {
      // The file is let go of in any case.
    }
  }
}

const isAtPath = (path: string, files: Files): boolean =>
  identityOf(path) === files.db && identityOf(`${path}-wal`) === files.wal

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))
