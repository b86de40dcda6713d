import { Effect, Schedule, type Scope } from "effect"
import {
  MongoClient,
  type MongoClientOptions,
  MongoServerSelectionError,
  ReadConcern,
  type ReadConcernLike,
  WriteConcern
} from "mongodb"
import { Unavailable } from "../../../application/failure.ts"
import {
  storeAskMsMax,
  storeCallMsMax,
  storeConnectionsMax,
  storeConnectMsMax,
  storeSelectMsMax,
  storeSilenceMsMax,
  storeStartMsMax
} from "../../../application/limits.ts"
import type { Opening } from "../../../application/ports/EventStore.ts"
import { type Collections, isOurs, prepare } from "./schema.ts"

export interface MongoSettings {
  /** A connection string. What it says of read and write concerns does not count: the store knows what it promises. */
  readonly addr: string
  readonly database: string
  readonly connections?: number
  readonly opening?: Opening
}

/** An open database. */
export interface Open {
  readonly client: MongoClient
  /** One connection for health checks, which therefore never wait for calls. */
  readonly healthChecks: MongoClient
  readonly collections: Collections
  /**
   * For what decisions and answers rest on: read from a server that is known, once it has answered, to be the one that
   * takes writes. A server on its own always is, and cannot be asked.
   */
  readonly fresh: { readonly readConcern?: ReadConcernLike; readonly maxTimeMS: number }
}

/** No server works on anything for longer. */
export const soon = { maxTimeMS: storeCallMsMax } as const

/** By `_id`, which never changes, and no other index: a row that is changed meanwhile might be passed by in one of those. */
export const byId = { hint: { _id: 1 } } as const

/** Opens the database and brings it up to this version, or fails with a message for the operator. */
export const open = ({
  addr,
  database,
  connections,
  opening = "create"
}: MongoSettings): Effect.Effect<Open, Unavailable, Scope.Scope> =>
  Effect.gen(function* () {
    const client = yield* clientOf(addr, {
      maxPoolSize: connections ?? storeConnectionsMax,
      socketTimeoutMS: storeSilenceMsMax
    })
    const healthChecks = yield* clientOf(addr, { maxPoolSize: 1, socketTimeoutMS: storeAskMsMax })
    const hosts = client.options.hosts.map(String).join(", ") || client.options.srvHost
    const prepared = Effect.tryPromise({
      try: async (): Promise<Open> => {
        await Promise.all([client.connect(), healthChecks.connect()])
        const { setName, msg } = await client.db("admin").command({ hello: 1 }, { readPreference: "primary" })
        const sharded = msg === "isdbgrid"
        const alone = setName === undefined && !sharded
        const db = client.db(database, {
          readPreference: "primary",
          ...(alone ? {} : { readConcern: new ReadConcern("majority") }),
          // On the disks of a majority: what was answered is not lost with a server.
          writeConcern: new WriteConcern("majority", storeCallMsMax, true)
        })
        if (opening !== "create" && !(await isOurs(db))) throw new Error("holds nothing of stategate")
        const collections = await prepare(db, sharded)
        const fresh = {
          ...soon,
          ...(alone ? {} : { readConcern: { level: "linearizable" } as const })
        }
        // A server that cannot be read in this way must be found out about now.
        await collections.domains.findOne({ _id: "" }, fresh)
        return { client, healthChecks, collections, fresh }
      },
      catch: (cause) => refused(`${database} at ${hosts}: ${reasonOf(cause)}`, cause)
    })
    // One that is started at the same time may need a moment more.
    return yield* Effect.retry(prepared, {
      while: ({ cause }) => cause instanceof MongoServerSelectionError,
      schedule: Schedule.upTo(Schedule.spaced(storeSelectMsMax), { duration: storeStartMsMax })
    })
  })

const clientOf = (addr: string, more: MongoClientOptions): Effect.Effect<MongoClient, Unavailable, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.try({
      try: () =>
        new MongoClient(addr, {
          appName: "stategate",
          serverSelectionTimeoutMS: storeSelectMsMax,
          waitQueueTimeoutMS: storeSelectMsMax,
          connectTimeoutMS: storeConnectMsMax,
          // Commit records find out about a write whose outcome is unknown.
          retryWrites: false,
          useBigInt64: true,
          ...more
        }),
      // The driver's own words may quote a password.
      catch: () => refused("its address is not a connection string that can be read")
    }),
    (opened) => Effect.promise(() => opened.close())
  )

const refused = (reason: string, cause?: unknown) =>
  new Unavailable({ message: `the database cannot be opened: ${reason}`, cause })

const reasonOf = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause))
