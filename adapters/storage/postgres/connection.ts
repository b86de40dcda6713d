import { once } from "node:events"
import { connect, type Socket } from "node:net"
import { Effect } from "effect"
import postgres from "postgres"
import { away, Defect, type Unavailable } from "../../../application/failure.ts"
import { storeConnectMsMax, storeProbeAfterMs, storeSilenceMsMax } from "../../../application/limits.ts"
import type { Address } from "./address.ts"
import type { Param } from "./filter.ts"

/** A statement and what is bound in it. `once` is for one that is not worth keeping prepared. */
export type Statement = readonly [text: string, params?: ReadonlyArray<Param>, kind?: "once"]

export type Rows<Row> = ReadonlyArray<Row> & { readonly count: number | null; readonly command: string }

export type Outcome<Row> = { readonly rows: Rows<Row> } | { readonly error: unknown }

/** What each of several statements answers. */
type Answers<Each extends ReadonlyArray<object>> = { readonly [I in keyof Each]: Rows<Each[I]> }
type Outcomes<Each extends ReadonlyArray<object>> = { readonly [I in keyof Each]: Outcome<Each[I]> }

/** Settings of a session, by their names in PostgreSQL. */
export type Session = Readonly<Record<string, string>>

/**
 * One connection, to be used by one at a time. Once it is lost it stays lost: the driver would connect again by itself,
 * and go on with the rest of a transaction as if nothing had happened.
 */
export class Connection {
  readonly #sql: postgres.Sql<{ bigint: bigint }>
  #socket: Socket | undefined
  #giveUp: (() => void) | undefined
  #isLost = false

  constructor({ host, port, user, password, database, tls }: Address, session: Session) {
    const options = {
      host,
      port,
      user,
      // A function, for the driver would take an empty one from the environment.
      password: () => password,
      database,
      ssl: tls ?? false,
      max: 1,
      connect_timeout: storeConnectMsMax / 1000,
      idle_timeout: 0,
      max_lifetime: null,
      // It would be asked for with nobody waiting for the answer: a connection lost then ends the process.
      fetch_types: false,
      types: { bigint: postgres.BigInt },
      connection: { application_name: "stategate", ...session },
      onnotice: () => {},
      onclose: () => this.#lost(),
      socket: () => this.#connect(host, port)
    }
    this.#sql = postgres(options)
  }

  get isLost(): boolean {
    return this.#isLost
  }

  /**
   * Sends statements one right behind the other, and answers once all are answered: one round trip, if the server has
   * seen them before. Fails with the first failure.
   */
  async trip<Each extends ReadonlyArray<object>>(...statements: ReadonlyArray<Statement>): Promise<Answers<Each>> {
    const outcomes: ReadonlyArray<Outcome<object>> = await this.outcomes(...statements)
    const answers = outcomes.map((outcome) => {
      if ("error" in outcome) throw outcome.error
      return outcome.rows
    })
    return answers as unknown as Answers<Each>
  }

  /** One statement. */
  async query<Row extends object>(...statement: Statement): Promise<Rows<Row>> {
    const [rows] = await this.trip<[Row]>(statement)
    return rows
  }

  /** The same, with what became of each. */
  outcomes<Each extends ReadonlyArray<object>>(...statements: ReadonlyArray<Statement>): Promise<Outcomes<Each>> {
    return new Promise((resolve) => {
      const outcomes: Array<Outcome<object> | undefined> = statements.map(() => undefined)
      const silence = setTimeout(() => this.destroy(), storeSilenceMsMax)
      const done = () => {
        clearTimeout(silence)
        this.#giveUp = undefined
        resolve(
          outcomes.map(
            (outcome) => outcome ?? { error: new Lost("the connection was lost") }
          ) as unknown as Outcomes<Each>
        )
      }
      if (this.#isLost) return done()
      // What the driver has not sent by now it forgets; what it has sent it tells about first.
      this.#giveUp = () => setImmediate(done)
      let open = statements.length
      for (const [i, [text, params = [], kind]] of statements.entries()) {
        const answered = (outcome: Outcome<object>) => {
          outcomes[i] = outcome
          open -= 1
          if (open === 0) done()
        }
        this.#sql.unsafe(text, [...params], { prepare: kind !== "once" }).then(
          (rows) => answered({ rows: rows as unknown as Rows<object> }),
          (error) => {
            if (isOver(error)) this.destroy()
            answered({ error })
          }
        )
      }
    })
  }

  /** Tells the server good-bye, if it is there. */
  async end(): Promise<void> {
    if (this.#isLost) return
    this.#isLost = true
    await this.#sql.end({ timeout: storeConnectMsMax / 1000 })
    this.#socket?.destroy()
  }

  /** Leaves at once. */
  destroy(): void {
    this.#lost()
    this.#socket?.destroy()
  }

  #lost(): void {
    this.#isLost = true
    this.#giveUp?.()
  }

  async #connect(host: string, port: number): Promise<Socket> {
    if (this.#socket !== undefined || this.#isLost) throw new Lost("the connection was lost")
    // Without `noDelay`, the last part of a batch would wait for the server to confirm the first.
    const socket = connect({ host, port, noDelay: true, keepAlive: true, keepAliveInitialDelay: storeProbeAfterMs })
    this.#socket = socket
    const signal = AbortSignal.timeout(storeConnectMsMax)
    try {
      await once(socket, "connect", { signal })
      return socket
    } catch (error) {
      socket.on("error", () => {}).destroy()
      throw signal.aborted ? new Lost(`no answer from ${host}:${port} within ${storeConnectMsMax} ms`) : error
    }
  }
}

/** Why there is no connection, in our own words. */
export class Lost extends Error {}

/** Whether it is the end of a connection, or there was none: not what the server says of a statement. */
export const isOver = (error: unknown): boolean => {
  if (error instanceof postgres.PostgresError) return error.severity === "FATAL" || error.severity === "PANIC"
  return error instanceof Lost || isConnectionError(error)
}

/** Codes by which the driver names a statement that it does not send for what is in it. */
const unsendable: ReadonlyArray<unknown> = ["UNDEFINED_VALUE", "MAX_PARAMETERS_EXCEEDED", "NOT_TAGGED_CALL"]

/** The driver and the system name by a code what goes wrong with a connection; what is wrong with an argument is typed. */
const isConnectionError = (error: unknown): boolean =>
  error instanceof Error &&
  !(error instanceof TypeError || error instanceof RangeError) &&
  "code" in error &&
  typeof error.code === "string" &&
  !unsendable.includes(error.code)

/** The five characters by which PostgreSQL names what is wrong with a statement. */
export const sqlState = (error: unknown): string | undefined =>
  error instanceof postgres.PostgresError ? error.code : undefined

/**
 * What PostgreSQL says, by the class of its SQLSTATE, when it cannot do now what it could do before: the first two
 * characters, or all five where only some of a class are meant. Any other class, such as 22 (data exception), 42 (syntax)
 * or 54 (program limit), is about the statement itself: a bug of ours.
 */
const awayStates: ReadonlyArray<string> = [
  "08000", // The connection: its exceptions, and not 08P01, which a message of ours violates.
  "08003",
  "08006",
  "0A000", // A cached plan whose result has another type: somebody changes the tables.
  "23505", // Rows are in the way that nobody but another program can have written.
  "23P01",
  "25", // Read-only, or ended for being idle.
  "26", // A pooler forgot a prepared statement.
  "28", // Not allowed in any more.
  "3D", // The database is gone,
  "3F", // or the schema,
  "42P01", // or a table,
  "42501", // or a right.
  "40", // Rolled back for the sake of others.
  "53", // Out of disk, memory or connections.
  "55", // Locked, or in use.
  "57", // Canceled, shutting down, starting.
  "58", // I/O.
  "72", // A snapshot that is too old.
  "P0", // A trigger of the operator refuses.
  "XX" // Broken inside.
]

/** Whether the server cannot be used now, and not a mistake of ours. */
const isAway = (cause: unknown): boolean => {
  const state = sqlState(cause)
  return isOver(cause) || (state !== undefined && awayStates.some((known) => state.startsWith(known)))
}

/** What callers are told. A mistake of ours is no trouble with the server, and asking again would not help. */
export const trouble = (cause: unknown): Effect.Effect<never, Unavailable> =>
  isAway(cause) ? Effect.fail(away(cause)) : Effect.die(cause)

/** The same of a transaction: where it is a mistake of ours, nothing was stored. */
export const refusal = (cause: unknown): Effect.Effect<never, Unavailable | Defect> =>
  Effect.fail(isAway(cause) ? away(cause) : new Defect({ cause }))

/** Whether it is what a server says, who is there then, be it that it has no connection to spare. */
export const isSaid = (cause: unknown): boolean => cause instanceof postgres.PostgresError
