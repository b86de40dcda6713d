import { readFileSync } from "node:fs"
import { Client, errors, policies, types } from "cassandra-driver"
import { Effect, Schedule, type Scope } from "effect"
import { Unavailable } from "../../../application/failure.ts"
import {
  storeCallMsMax,
  storeConnectMsMax,
  storeProbeAfterMs,
  storeReconnectMs,
  storeSelectMsMax,
  storeStartMsMax
} from "../../../application/limits.ts"
import type { Opening } from "../../../application/ports/EventStore.ts"
import { type Calls, callsOf } from "./calls.ts"
import { waitsForServers } from "./control.ts"
import { isOurs, prepare, prepareKeyspace, type Run, warningsOf } from "./schema.ts"
import { type Statements, statements } from "./statements.ts"

export interface CassandraSettings {
  /**
   * Servers to begin with, as host:port, separated by commas; the others are learnt from them, and have the port of the
   * first.
   */
  readonly addr: string
  readonly keyspace: string
  /** Where the servers are that are talked to; not needed where all are in one data centre. */
  readonly datacenter?: string
  /** Copies in each data centre, for a keyspace that is still to be made; up to three when absent. */
  readonly replication?: Readonly<Record<string, number>>
  readonly credentials?: { readonly username: string; readonly password: string }
  /** To each server; each carries many requests at once. */
  readonly connections?: number
  /** Of the certificates that servers show: with it, connections are encrypted. */
  readonly caFile?: string
  /** Events in one partition of a log, for a keyspace that is still to be made. */
  readonly bucketEvents?: number
  readonly opening?: Opening
}

/** An open keyspace. */
export interface Open extends Calls {
  readonly cql: Statements
  /** Positions in one partition of a log. */
  readonly bucketEvents: bigint
}

/** Opens the keyspace and brings it up to this version, or fails with a message for the operator. */
export const open = (settings: CassandraSettings): Effect.Effect<Open, Unavailable, Scope.Scope> =>
  Effect.gen(function* () {
    const { addr, keyspace, bucketEvents, opening = "create" } = settings
    const connected = Effect.acquireRelease(
      Effect.tryPromise({
        try: async () => {
          const client = clientOf(settings)
          waitsForServers(client, addr)
          try {
            await client.connect()
            return client
          } catch (error) {
            await client.shutdown()
            throw error
          }
        },
        catch: (cause) => refused(`${keyspace} at ${addr}: ${reasonOf(cause)}`, cause)
      }),
      (client) => Effect.promise(() => client.shutdown())
    )
    // One that is started at the same time may need a moment more.
    const client = yield* Effect.retry(connected, {
      while: ({ cause }) => mayCome(cause),
      schedule: Schedule.upTo(Schedule.spaced(storeSelectMsMax), { duration: storeStartMsMax })
    })
    const run: Run = async (statement, params = []) => {
      const result = await client.execute(statement, [...params], { prepare: params.length > 0 })
      if ((result.info as { isSchemaInAgreement?: boolean }).isSchemaInAgreement !== false) return result.rows ?? []
      throw new Error("its servers do not agree on their schema")
    }
    const prepared = yield* Effect.tryPromise({
      try: async () => {
        if (opening !== "create" && !(await isOurs(run, keyspace))) throw new Error("holds nothing of stategate")
        await prepareKeyspace(client, run, settings)
        return { events: await prepare(run, keyspace, bucketEvents), warnings: await warningsOf(client, run, keyspace) }
      },
      catch: (cause) => refused(`${keyspace} at ${addr}: ${reasonOf(cause)}`, cause)
    })
    for (const warning of prepared.warnings) yield* Effect.logWarning(warning)
    return { cql: statements(keyspace), bucketEvents: prepared.events, ...callsOf(client) }
  })

const clientOf = ({ addr, datacenter, credentials, connections, caFile }: CassandraSettings): Client => {
  const { loadBalancing, reconnection, retry } = policies
  const { local } = types.distance
  const servers = addr.split(",")
  const port = /:(\d+)$/.exec(servers[0]!)?.[1]
  return new Client({
    applicationName: "stategate",
    contactPoints: servers,
    // Of the servers that it learns of from others, the driver does not learn the port.
    ...(port === undefined ? {} : { protocolOptions: { port: Number(port) } }),
    ...(datacenter === undefined ? {} : { localDataCenter: datacenter }),
    ...(credentials === undefined ? {} : { credentials }),
    ...(caFile === undefined ? {} : { sslOptions: { ca: readFileSync(caFile, "utf8"), rejectUnauthorized: true } }),
    encoding: { useBigIntAsLong: true },
    queryOptions: {
      prepare: true,
      // Any two majorities share a server, so a read sees every write that was answered before it.
      consistency: types.consistencies.quorum,
      // In all data centres, since a commit record must be the only one of its position in any of them.
      serialConsistency: types.consistencies.serial,
      isIdempotent: true,
      captureStackTrace: false
    },
    policies: {
      // Without a data centre there is only one.
      ...(datacenter === undefined
        ? { loadBalancing: new loadBalancing.TokenAwarePolicy(new loadBalancing.RoundRobinPolicy()) }
        : {}),
      reconnection: new reconnection.ConstantReconnectionPolicy(storeReconnectMs),
      retry: new retry.RetryPolicy()
    },
    pooling: {
      heartBeatInterval: storeProbeAfterMs,
      ...(connections === undefined ? {} : { coreConnectionsPerHost: { [local]: connections } })
    },
    socketOptions: { connectTimeout: storeConnectMsMax, readTimeout: storeCallMsMax }
  })
}

const refused = (reason: string, cause?: unknown) =>
  new Unavailable({ message: `the database cannot be opened: ${reason}`, cause })

/** Whether a server may be on its way. One that has answered will not say anything else. */
const mayCome = (cause: unknown): boolean =>
  cause instanceof errors.NoHostAvailableError &&
  !Object.values(cause.innerErrors ?? {}).some((inner) => inner instanceof errors.AuthenticationError)

/** The driver says "all hosts", and keeps to itself what each of them had. */
const reasonOf = (cause: unknown): string => {
  if (cause instanceof errors.NoHostAvailableError) {
    const [inner] = Object.values(cause.innerErrors ?? {}) as ReadonlyArray<unknown>
    return inner instanceof Error ? inner.message : cause.message
  }
  return cause instanceof Error ? cause.message : String(cause)
}
