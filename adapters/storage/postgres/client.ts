import { once } from "node:events"
import { connect, type Socket } from "node:net"
import postgres from "postgres"
import { storeConnectMsMax, storeProbeAfterMs, storeSilenceMsMax } from "../../../application/limits.ts"
import type { Address } from "./connection.ts"
import { isOver, Lost } from "./errors.ts"
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
export class Client {
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
      // The driver forgets what it has not sent by now, and settles what it has sent first.
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

  /** Ends the session, if the server is there. */
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
