import { Effect, Schedule, type Scope } from "effect"
import {
  MongoAPIError,
  MongoClient,
  type MongoClientOptions,
  MongoError,
  MongoServerError,
  MongoServerSelectionError,
  ReadConcern,
  type ReadConcernLike,
  WriteConcern
} from "mongodb"
import { away, Unavailable } from "../../../application/failure.ts"
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
  /** One connection, to ask whether the server is there: however long others take, it is not waited for. */
  readonly questions: MongoClient
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

/** Opens the database and brings it up to this version; what keeps it from being served is said in words. */
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
    const questions = yield* clientOf(addr, { maxPoolSize: 1, socketTimeoutMS: storeAskMsMax })
    const hosts = client.options.hosts.map(String).join(", ") || client.options.srvHost
    const prepared = Effect.tryPromise({
      try: async (): Promise<Open> => {
        await Promise.all([client.connect(), questions.connect()])
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
        return { client, questions, collections, fresh }
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
          // A write whose outcome is not known is settled by claims, which know what it was.
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

/** What the driver answers, or that the store is not available. */
export const attempt = <A>(use: () => Promise<A>): Effect.Effect<A, Unavailable> =>
  Effect.catch(
    Effect.tryPromise({ try: use, catch: (cause) => cause }),
    (cause): Effect.Effect<never, Unavailable> =>
      // A mistake of ours is no trouble with the server, and asking again would not help.
      isAway(cause) ? Effect.fail(away(cause)) : Effect.die(cause)
  )

/**
 * What servers say of a command for what is in it: a value, a type or an operator that they do not take, BSON that they
 * cannot read, a document that is too large or nested too deeply, a text too long for an index. Such a command does
 * nothing. Whatever else they say is about themselves, one another or the network.
 */
const mistakes: ReadonlyArray<unknown> = [
  2, // BadValue
  4, // NoSuchKey
  9, // FailedToParse
  14, // TypeMismatch
  15, // Overflow
  16, // InvalidLength
  22, // InvalidBSON
  28, // PathNotViable
  40, // ConflictingUpdateOperators
  51, // CannotIndexParallelArrays
  52, // DollarPrefixedFieldName
  53, // InvalidIdField
  54, // NotSingleValueField
  55, // InvalidDBRef
  56, // EmptyFieldName
  57, // DottedFieldName
  66, // ImmutableField
  73, // InvalidNamespace
  83, // BadRegex
  10334, // BSONObjectTooLarge
  17280, // KeyTooLong
  17419, // Resulting document after update is larger than the limit
  17420
]

/** What the driver's own checks say of an argument is a mistake, too; what it says of a client that is closed is none. */
export const isMistake = (cause: unknown): boolean => {
  if (cause instanceof MongoServerError) return mistakes.includes(cause.code)
  return cause instanceof MongoAPIError && mistaken.includes(cause.name)
}

const mistaken = ["MongoInvalidArgumentError", "MongoMissingDependencyError", "MongoCompatibilityError"]

/** Whether the server cannot be used now, and not a mistake of ours. */
const isAway = (cause: unknown): boolean => cause instanceof MongoError && !isMistake(cause)

/** Whether it is what a server says, who is there then. */
export const isSaid = (cause: unknown): boolean => cause instanceof MongoServerError
