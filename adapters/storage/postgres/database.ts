import { Effect, type Scope } from "effect"
import { Unavailable } from "../../../application/failure.ts"
import {
  headLockMsMax,
  postgresConnectionsMax,
  storeCallMsMax,
  storeCommitsMax,
  storeProbeAfterMs,
  transactionIdleMsMax
} from "../../../application/limits.ts"
import type { Opening } from "../../../application/ports/EventStore.ts"
import { type Address, addressOf, type PostgresSettings } from "./address.ts"
import { Connection, Lost, type Session } from "./connection.ts"
import { Pool } from "./pool.ts"
import { migrate } from "./schema.ts"
import { inspect, isStandby } from "./server.ts"

/** An open database. Commits and reads have connections of their own, so that neither waits for the other. */
export interface Database {
  readonly commits: Pool
  readonly reads: Pool
  /** One connection, to ask whether the server is there: however long others take, it is not waited for. */
  readonly questions: Pool
}

/** Opens the database and brings it up to this version; what keeps it from being served is said in words. */
export const open = (settings: PostgresSettings): Effect.Effect<Database, Unavailable, Scope.Scope> =>
  Effect.gen(function* () {
    const { schema = "stategate", opening = "create", connections = postgresConnectionsMax } = settings
    const address = yield* Effect.try({ try: () => addressOf(settings), catch: (cause) => refused(reasonOf(cause)) })
    const session = sessionOf(schema)
    const place = `${address.database} at ${address.host}:${address.port}`
    const warning = yield* Effect.tryPromise({
      try: () => prepared(address, session, schema, opening),
      catch: (cause) => refused(`${place}: ${reasonOf(cause)}`, cause)
    })
    if (warning !== undefined) yield* Effect.logWarning(warning)
    const half = Math.min(Math.floor(connections / 2), storeCommitsMax)
    const pool = (size: number, more: Session) =>
      Effect.acquireRelease(
        Effect.sync(() => new Pool(() => primary(address, { ...session, ...more }), size)),
        (made) => Effect.promise(() => made.close())
      )
    return {
      // To plan these takes longer than to run them, and the plan is always the same.
      commits: yield* pool(half, { plan_cache_mode: "force_generic_plan" }),
      reads: yield* pool(connections - half, { statement_timeout: String(storeCallMsMax) }),
      questions: yield* pool(1, {})
    }
  })

const sessionOf = (schema: string): Session => ({
  search_path: schema,
  synchronous_commit: "on",
  default_transaction_isolation: "read committed",
  // A COMMIT that is made to give up waiting for standbys counts as done: only reads have to be quick.
  statement_timeout: "0",
  lock_timeout: String(headLockMsMax),
  idle_in_transaction_session_timeout: String(transactionIdleMsMax),
  tcp_keepalives_idle: String(storeProbeAfterMs / 1000),
  // There is an index for everything; a planner who knows nothing of a new table yet might take it for a short one.
  enable_seqscan: "off",
  // Compiling a search takes longer than most searches.
  jit: "off"
})

/** Makes the tables what they must be. Answers what the operator should know. */
const prepared = async (
  address: Address,
  session: Session,
  schema: string,
  opening: Opening
): Promise<string | undefined> => {
  const connection = new Connection(address, session)
  try {
    const { refusal, warning } = await inspect(connection)
    if (refusal !== undefined) throw new Error(refusal)
    await migrate(connection, schema, opening)
    return warning
  } finally {
    await connection.end()
  }
}

/** A connection to a server that takes writes: at the same address there may be another one than at the start. */
const primary = async (address: Address, session: Session): Promise<Connection> => {
  const connection = new Connection(address, session)
  let isPrimary = false
  try {
    isPrimary = !(await isStandby(connection))
  } finally {
    if (!isPrimary) connection.destroy()
  }
  if (!isPrimary) throw new Lost("the server is a standby")
  return connection
}

const refused = (reason: string, cause?: unknown) =>
  new Unavailable({ message: `the database cannot be opened: ${reason}`, cause })

/** Of several addresses that were tried, the error of all has no words of its own. */
const reasonOf = (cause: unknown): string => {
  if (!(cause instanceof Error)) return String(cause)
  return cause.message || ("code" in cause ? String(cause.code) : cause.name)
}
