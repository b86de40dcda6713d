import { Effect } from "effect"
import postgres from "postgres"
import { Defect, storeUnavailable, type Unavailable } from "../../../application/failure.ts"

/** There is no connection, for the reason in the message. */
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

/** The failure of a read. It dies of a mistake of ours, since asking again would not help. */
export const readFailure = (cause: unknown): Effect.Effect<never, Unavailable> =>
  isAway(cause) ? Effect.fail(storeUnavailable(cause)) : Effect.die(cause)

/** The failure of a transaction. Of a mistake of ours, nothing was stored. */
export const commitFailure = (cause: unknown): Effect.Effect<never, Unavailable | Defect> =>
  Effect.fail(isAway(cause) ? storeUnavailable(cause) : new Defect({ cause }))

/** Whether an error is the reply of a server, even one that it has no connection to spare. */
export const isServerReply = (cause: unknown): boolean => cause instanceof postgres.PostgresError
