import { Effect } from "effect"
import type { Unavailable } from "../../../application/failure.ts"
import { storeSelectMsMax, storeWaitingMax } from "../../../application/limits.ts"
import type { Client } from "./client.ts"
import { Lost, readFailure } from "./errors.ts"
import type { Param } from "./filter.ts"

/** Connections that are made when they are needed, kept while they work, and never more than so many. */
export class Pool {
  readonly #connect: () => Promise<Client>
  readonly size: number
  readonly #idle: Array<Client> = []
  readonly #waiting = new Set<() => void>()
  #used = 0
  #isClosed = false

  /** `connect` answers a connection that is ready to be used, or throws why there is none. */
  constructor(connect: () => Promise<Client>, size: number) {
    this.#connect = connect
    this.size = size
  }

  /**
   * Lends a connection. If one that had been idle turns out to be lost, `use` is called again with a new one: it must
   * not fail where a second time could do something twice. Nor is it once `signal` says that nobody waits any more.
   */
  async use<A>(use: (connection: Client) => Promise<A>, signal?: AbortSignal): Promise<A> {
    await this.#enter()
    try {
      const idle = this.#takeIdle()
      if (idle !== undefined) {
        try {
          return await this.#lend(idle, use)
        } catch (error) {
          if (!idle.isLost || signal?.aborted === true) throw error
        }
      }
      return await this.#lend(await this.#connect(), use)
    } finally {
      this.#leave()
    }
  }

  /** Closes what is idle; what somebody has left under way is closed when it is over. */
  async close(): Promise<void> {
    this.#isClosed = true
    await Promise.all(this.#idle.splice(0).map((connection) => connection.end()))
  }

  async #lend<A>(connection: Client, use: (connection: Client) => Promise<A>): Promise<A> {
    try {
      return await use(connection)
    } finally {
      if (this.#isClosed) void connection.end()
      else if (!connection.isLost) this.#idle.push(connection)
    }
  }

  #takeIdle(): Client | undefined {
    while (true) {
      const connection = this.#idle.pop()
      if (connection === undefined || !connection.isLost) return connection
    }
  }

  /** Waits for a free connection: at most `storeSelectMsMax`, and at most `storeWaitingMax` calls at once. */
  #enter(): Promise<void> | void {
    if (this.#used < this.size) {
      this.#used += 1
      return
    }
    if (this.#waiting.size >= storeWaitingMax) throw new Lost(`${storeWaitingMax} calls wait for a connection`)
    return new Promise((resolve, reject) => {
      const enter = () => {
        clearTimeout(timer)
        resolve()
      }
      const timer = setTimeout(() => {
        this.#waiting.delete(enter)
        reject(new Lost(`no connection was free for ${storeSelectMsMax} ms`))
      }, storeSelectMsMax)
      this.#waiting.add(enter)
    })
  }

  #leave(): void {
    const [next] = this.#waiting
    if (next === undefined) {
      this.#used -= 1
      return
    }
    this.#waiting.delete(next)
    next()
  }
}

/** What `use` makes of a connection, or that the store is not available. */
export const lent = <A>(pool: Pool, use: (connection: Client) => Promise<A>): Effect.Effect<A, Unavailable> =>
  answered(() => pool.use(use))

/** The same for a health check: a caller that gives up also closes the connection. */
export const given = <A>(pool: Pool, use: (connection: Client) => Promise<A>): Effect.Effect<A, Unavailable> =>
  answered((signal) =>
    pool.use(async (connection) => {
      // It is kept: else a connection that takes longer to make than anyone waits would never be there.
      if (signal.aborted) throw new Lost("nobody waits for the answer")
      signal.addEventListener("abort", () => connection.destroy())
      return use(connection)
    }, signal)
  )

const answered = <A>(ask: (signal: AbortSignal) => Promise<A>): Effect.Effect<A, Unavailable> =>
  Effect.catch(Effect.tryPromise({ try: ask, catch: (cause) => cause }), readFailure)

/** What one statement answers. */
export const asked = <Row extends object>(
  pool: Pool,
  text: string,
  params: ReadonlyArray<Param> = []
): Effect.Effect<ReadonlyArray<Row>, Unavailable> => lent(pool, (connection) => connection.query<Row>(text, params))
