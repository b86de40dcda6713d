import { readFileSync } from "node:fs"
import { isIP } from "node:net"
import type { ConnectionOptions } from "node:tls"
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
import { Client, type Session } from "./client.ts"
import { Lost } from "./errors.ts"
import { Pool } from "./pool.ts"
import { migrate } from "./schema.ts"

export interface PostgresSettings {
  /**
   * `postgres://user:password@host:port/database`. Its `sslmode` is `disable`, which it is unless it is set, `require`,
   * which encrypts and asks for no certificate, or `verify-full`.
   */
  readonly addr: string
  /** The schema that holds the tables, and nothing else; made if it is not there. `stategate` unless set. */
  readonly schema?: string
  /** Connections at once, at least 2. */
  readonly connections?: number
  /** PEM file with the authorities that may have signed the server's certificate: with it, `sslmode` is `verify-full`. */
  readonly caFile?: string
  readonly opening?: Opening
}

export interface Address {
  readonly host: string
  readonly port: number
  readonly user: string
  readonly password: string
  readonly database: string
  /** What TLS is spoken with; undefined: none is. */
  readonly tls: ConnectionOptions | undefined
}

/** Throws where the address is none, or the file cannot be read. */
export const addressOf = ({ addr, caFile }: PostgresSettings): Address => {
  const url = new URL(addr)
  const host = url.hostname.replace(/^\[(.*)\]$/, "$1")
  const mode = caFile === undefined ? url.searchParams.get("sslmode") : "verify-full"
  return {
    host,
    port: Number(url.port || 5432),
    user: decodeURIComponent(url.username),
    password: decodeURIComponent(url.password),
    database: decodeURIComponent(url.pathname.slice(1)),
    tls:
      mode === null || mode === "disable"
        ? undefined
        : {
            rejectUnauthorized: mode !== "require",
            ...(isIP(host) === 0 ? { servername: host } : { host }),
            ...(caFile === undefined ? {} : { ca: readFileSync(caFile, "utf8") })
          }
  }
}

/** An open database. Commits and reads have connections of their own, so that neither waits for the other. */
export interface Open {
  readonly commits: Pool
  readonly reads: Pool
  /** One connection for health checks, which therefore never wait for calls. */
  readonly healthChecks: Pool
}

/** Opens the database and brings it up to this version, or fails with a message for the operator. */
export const open = (settings: PostgresSettings): Effect.Effect<Open, Unavailable, Scope.Scope> =>
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
      healthChecks: yield* pool(1, {})
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
  // There is an index for everything; without statistics the planner might take a new table for a short one.
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
  const connection = new Client(address, session)
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
const primary = async (address: Address, session: Session): Promise<Client> => {
  const connection = new Client(address, session)
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

interface Server {
  readonly version: number
  readonly release: string
  readonly encoding: string
  readonly fsync: string
  readonly full_page_writes: string
  readonly read_only: string
}

/** The first that has all that is asked of it. */
const versionMin = 13

/** Whether it takes writes; asked on every new connection, since another server may answer at the same address. */
const isStandby = async (connection: Client): Promise<boolean> => {
  const [found] = await connection.query<{ readonly standby: boolean }>("SELECT pg_is_in_recovery() AS standby")
  return found!.standby
}

/** Why this server cannot keep what the store promises, in words for the operator; and what they should know of it. */
const inspect = async (connection: Client): Promise<{ readonly refusal?: string; readonly warning?: string }> => {
  const [server] = await connection.query<Server>(`
    SELECT current_setting('server_version_num')::int / 10000 AS version, current_setting('server_version') AS release,
      current_setting('server_encoding') AS encoding, current_setting('fsync') AS fsync,
      current_setting('full_page_writes') AS full_page_writes,
      current_setting('default_transaction_read_only') AS read_only`)
  const { version, release, encoding, fsync, full_page_writes, read_only } = server!
  if (version < versionMin) return { refusal: `it is PostgreSQL ${release}, and must be ${versionMin} or later` }
  if (await isStandby(connection)) return { refusal: "it is a standby; give the address of the primary" }
  if (read_only === "on") return { refusal: "it is read-only (default_transaction_read_only = on)" }
  if (fsync !== "on") return { refusal: "it may lose what it has acknowledged (fsync = off)" }
  if (encoding !== "UTF8") return { refusal: `the database is encoded in ${encoding}, and must be in UTF8` }
  if (full_page_writes === "on") return {}
  return { warning: "PostgreSQL runs with full_page_writes = off: a power cut may damage its files" }
}
