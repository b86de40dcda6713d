import { MongoAPIError, MongoBulkWriteError, MongoError, MongoServerError, MongoServerSelectionError } from "mongodb"
import { driverCalls } from "../../../application/storage/driver-calls.ts"

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
const isMistake = (cause: unknown): boolean => {
  if (cause instanceof MongoServerError) return mistakes.includes(cause.code)
  return cause instanceof MongoAPIError && mistaken.includes(cause.name)
}

const mistaken = ["MongoInvalidArgumentError", "MongoMissingDependencyError", "MongoCompatibilityError"]

const isTrouble = (cause: unknown): boolean => cause instanceof MongoError && !isMistake(cause)

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
const wasNotMade = (error: unknown): boolean =>
  error instanceof MongoServerSelectionError ||
  (error instanceof MongoError && error.name === "MongoWaitQueueTimeoutError") ||
  (error instanceof MongoServerError && refusals.includes(error.code))

export const { attempt, attemptInsert } = driverCalls({ isTrouble, wasNotMade })
