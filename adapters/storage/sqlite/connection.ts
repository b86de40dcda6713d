import { existsSync, mkdirSync, statSync } from "node:fs"
import { dirname } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { storeUnavailable, Unavailable } from "../../../application/failure.ts"
import { sqliteBusyMs, sqliteLookMs } from "../../../application/limits.ts"
import type { Opening } from "../../../application/ports/EventStore.ts"
import { refuseForeignLog } from "./epoch.ts"
import { isFileTrouble } from "./errors.ts"
import { Detached, type Files, filesOf, Lock, Moved, realPath, refuseOtherNames, sameLog, uriOf } from "./file.ts"
import { checkHeads, idOf, isOurs, lastTimeIn, makeDurable, prepare, takeLogIn } from "./schema.ts"
import { prepareReads, type Reads } from "./statements.ts"

/** One folder after the other: Node's recursive form never ends where the system answers ENOENT, as below /proc. */
const makeFolder = (path: string): void => {
  const isFolder = () => statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false
  if (existsSync(path) && isFolder()) return
  if (!existsSync(path)) makeFolder(dirname(path))
  try {
    mkdirSync(path)
  } catch (error) {
    // Another process may have made it meanwhile.
    if (!existsSync(path) || !isFolder()) throw error
  }
}

/** An open database. */
export interface Open {
  readonly db: DatabaseSync
  readonly statements: Reads
}

/** How often it is looked at whether the path still names the files that are open. */
export type Looks = "always" | "at times"

/**
 * The connection that reads, and what keeps other processes out. Any failure closes it, and the next use opens it anew:
 * what SQLite remembers of a disk that was full, or read-only, or gone, must not outlive the trouble. It is the same
 * database each time, and none is made in its place.
 */
export class Connection {
  readonly path: string
  readonly #isReading: boolean
  #open: Open | undefined
  #lock: Lock | undefined
  #files: Files
  #id: string
  #lookedAt = Number.NEGATIVE_INFINITY
  /** Whether the thread that writes has the database open: then it must be by the same files. */
  isOpenElsewhere = false
  /** The last time in the logs, as it was at the start. */
  readonly lastTime: bigint

  /** Opens the file for the first time. Throws what keeps it from being served. */
  constructor(given: string, opening: Opening) {
    this.#isReading = opening === "read"
    if (!existsSync(given)) {
      if (opening !== "create") throw new Error(`${given}: there is no such file`)
      makeFolder(dirname(given))
    }
    this.path = realPath(given)
    refuseOtherNames(this.path)
    try {
      if (!this.#isReading) this.#lock = new Lock(this.path)
      if (existsSync(this.path)) this.#check(opening)
      const db = this.#connect(opening === "create" ? "mode=rwc" : "mode=rw")
      if (!this.#isReading) prepare(db, this.path)
      this.#open = { db, statements: prepareReads(db) }
      this.#id = this.#isReading ? "" : idOf(db)
      this.lastTime = lastTimeIn(db)
      this.#files = filesOf(this.path)
    } catch (error) {
      this.drop()
      throw error
    }
  }

  /** The files that are open. */
  get files(): Files {
    return this.#files
  }

  close(): void {
    this.closeReader()
    const lock = this.#lock
    this.#lock = undefined
    lock?.close()
  }

  closeReader(): void {
    const open = this.#open
    this.#open = undefined
    open?.db.close()
  }

  /** Lets go of the file, whatever state it is in. */
  drop(): void {
    try {
      this.close()
    } catch {
      // It is let go of in any case.
    }
  }

  /**
   * What `use` reads, or that the store is not available, or that its files are to be opened anew first. Before a commit
   * the files are looked at each time, else now and then: what is open is the right database in any case.
   */
  read<A>(use: (open: Open) => A, looks: Looks = "at times"): A | Unavailable | Detached {
    try {
      const open = this.#looked(looks)
      return use(open)
    } catch (cause) {
      if (cause instanceof Detached) return cause
      if (cause instanceof Moved) return new Unavailable({ message: cause.message, cause })
      // A mistake of ours is no trouble with the file, and asking again would not help.
      if (this.#open !== undefined && !isFileTrouble(cause)) throw cause
      this.drop()
      return storeUnavailable(cause)
    }
  }

  /** The same, all of it as it is at one moment. */
  readOnce<A>(use: (open: Open) => A, looks: Looks = "at times"): A | Unavailable | Detached {
    return this.read((open) => {
      open.statements.begin.run()
      try {
        return use(open)
      } finally {
        if (open.db.isTransaction) open.statements.end.run()
      }
    }, looks)
  }

  /** Lets go of the log that was removed or replaced; nothing of it is lost. Where the other thread has it, that does. */
  release(): void {
    if (this.#open !== undefined && !this.isOpenElsewhere && !takeLogIn(this.#open.db)) throw new Detached()
    this.closeReader()
  }

  /** Opens the database if it is not open. */
  reopen(): void {
    this.#open ??= this.#reopened()
  }

  #looked(looks: Looks): Open {
    const now = performance.now()
    if (this.#open === undefined) return this.#reopened()
    if (looks === "at times" && now - this.#lookedAt < sqliteLookMs) return this.#open
    this.#lookedAt = Number.NEGATIVE_INFINITY
    const files = filesOf(this.path)
    if (files.db !== this.#files.db) throw new Moved()
    if (!this.#isReading && !sameLog(files, this.#files)) throw new Detached()
    this.#lock?.renew()
    this.#lookedAt = now
    return this.#open
  }

  #reopened(): Open {
    const found = filesOf(this.path)
    if (found.db !== this.#files.db) throw new Moved()
    if (this.isOpenElsewhere && !sameLog(found, this.#files)) throw new Detached()
    if (!this.#isReading) this.#lock ??= new Lock(this.path)
    if (!this.#isReading && !this.isOpenElsewhere) refuseForeignLog(this.path)
    const db = this.#connect("mode=rw")
    try {
      if (!this.#isReading) makeDurable(db, this.path)
      const statements = prepareReads(db)
      // The first read opens the log, or makes it.
      if (!this.#isReading && idOf(db) !== this.#id) throw new Moved()
      const files = filesOf(this.path)
      if (files.db !== this.#files.db) throw new Moved()
      if (this.isOpenElsewhere && !sameLog(files, this.#files)) throw new Detached()
      this.#files = files
      this.#lookedAt = performance.now()
      this.#open = { db, statements }
      return this.#open
    } catch (error) {
      db.close()
      throw error
    }
  }

  #connect(mode: "mode=rwc" | "mode=rw"): DatabaseSync {
    return new DatabaseSync(uriOf(this.path, this.#isReading ? "mode=ro" : mode), { timeout: sqliteBusyMs })
  }

  /** Looks at what is there before anything may be written to it, be it only by closing it. */
  #check(opening: Opening): void {
    if (!this.#isReading) refuseForeignLog(this.path)
    const db = new DatabaseSync(uriOf(this.path, "mode=ro"), { timeout: sqliteBusyMs })
    try {
      if (isOurs(db, this.path)) checkHeads(db, this.path)
      else if (opening !== "create") throw new Error(`${this.path}: holds nothing of stategate`)
    } finally {
      db.close()
    }
  }
}
