import { DatabaseSync } from "node:sqlite"
import { sqliteBusyMs } from "../../../application/limits.ts"
import { makeDurable } from "./schema.ts"
import { prepareWrites, type Step, type Writes } from "./statements.ts"

/** Steps that are to be done together, and by what it is seen afterwards whether they were. */
export interface Work {
  readonly steps: ReadonlyArray<Step>
  /** Domains and the ids of the last events that they have then. Without any, a commit of which nothing is known counts as none. */
  readonly proof: ReadonlyArray<readonly [domain: string, eventId: string]>
}

/** Whether work is on the disk, and what came in between if it is not, or if nobody knows. */
export type Outcome = { readonly _tag: "Written" } | { readonly _tag: "NotWritten" | "Unknown"; readonly cause: string }

interface Open {
  readonly db: DatabaseSync
  readonly statements: Writes
}

/**
 * The connection that writes, one transaction after another. As with the one that reads, any failure closes it, and the
 * next use opens it anew.
 */
export class Writing {
  readonly #path: string
  #open: Open | undefined

  constructor(path: string) {
    this.#path = path
  }

  /**
   * Does all the steps, or none, as one transaction that is on the disk when this returns. When COMMIT itself fails, it
   * is looked up after a fresh start, which replays or drops what the log of the file holds: nothing is guessed.
   */
  write({ steps, proof }: Work): Outcome {
    let committing = false
    try {
      const { begin, commit, steps: statements } = this.open().statements
      begin.run()
      for (const [name, ...params] of steps) {
        const { changes } = statements[name].run(...params)
        if (name === "moveDomain" && Number(changes) !== 1) throw new Error("another program writes to the file")
      }
      committing = true
      commit.run()
      return { _tag: "Written" }
    } catch (error) {
      this.#drop()
      const cause = error instanceof Error ? error.message : String(error)
      if (!committing) return { _tag: "NotWritten", cause }
      try {
        return this.#holds(proof) ? { _tag: "Written" } : { _tag: "NotWritten", cause }
      } catch {
        return { _tag: "Unknown", cause }
      } finally {
        // Not kept: a file that is open for writing keeps an operator from mending the disk.
        this.#drop()
      }
    }
  }

  open(): Open {
    if (this.#open !== undefined) return this.#open
    const db = new DatabaseSync(this.#path, { timeout: sqliteBusyMs })
    try {
      makeDurable(db, this.#path)
      this.#open = { db, statements: prepareWrites(db) }
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

  #holds(proof: Work["proof"]): boolean {
    const { eventId } = this.open().statements
    return proof.length > 0 && proof.every(([domain, id]) => eventId.get(domain)?.["event_id"] === id)
  }

  #drop(): void {
    try {
      this.close()
    } catch {
      // The file is let go of in any case.
    }
  }
}
