import { Effect } from "effect"
import { MongoAPIError, MongoBulkWriteError, MongoError, MongoServerError, MongoServerSelectionError } from "mongodb"
import { storeUnavailable, type Unavailable } from "../../../application/failure.ts"

/** What the driver answers, or that the store is not available. */
export const attempt = <A>(use: () => Promise<A>): Effect.Effect<A, Unavailable> =>
  Effect.catch(
    Effect.tryPromise({ try: use, catch: (cause) => cause }),
    (cause): Effect.Effect<never, Unavailable> =>
      // A mistake of ours is no trouble with the server, and asking again would not help.
      isAway(cause) ? Effect.fail(storeUnavailable(cause)) : Effect.die(cause)
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

/** Whether an error is the reply of a server, and not the lack of one. */
export const isServerReply = (cause: unknown): boolean => cause instanceof MongoServerError

/** Whether an insert found nothing in its place; one of many rows may find something, and the others are inserted. */
export const isFirst = async (insert: () => Promise<unknown>): Promise<boolean> => {
  try {
    await insert()
    return true
  } catch (error) {
    if (isDuplicate(error)) return false
    throw error
  }
}

const duplicate = 11000

const isDuplicate = (error: unknown): boolean => {
  if (!(error instanceof MongoServerError) || error.code !== duplicate) return false
  if (!(error instanceof MongoBulkWriteError)) return true
  // One of many may have failed in another way, or not be safe yet.
  return (
    [error.writeErrors].flat().every(({ code }) => code === duplicate) &&
    error.result.getWriteConcernError() === undefined
  )
}

/** What servers say when they have not made a write: not allowed, rejected by a rule, no room. */
const refusals: ReadonlyArray<unknown> = [13, 121, 8000, 14031]

/** Whether it is certain that a write was not made. Anything else may have been made, or may be yet. */
export const wasNotMade = (error: MongoError): boolean =>
  error instanceof MongoServerSelectionError ||
  error.name === "MongoWaitQueueTimeoutError" ||
  (error instanceof MongoServerError && refusals.includes(error.code))
