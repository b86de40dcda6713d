import { errors } from "cassandra-driver"
import { driverCalls } from "../../../application/storage/driver-calls.ts"

/**
 * What servers say of a request for what is in it: it breaks their protocol (0x000A), is no CQL (0x2000), or holds what
 * they do not take, such as a value that is too large (0x2200). Whatever else they say is about themselves, one another,
 * or rights and prepared statements, which may change.
 */
const mistakes: ReadonlyArray<number> = [0x000a, 0x2000, 0x2200, 0x2300, 0x2400]

/** A table or a keyspace that is gone counts as no mistake, for only somebody else can have dropped it. */
const isGone = ({ message }: Error): boolean => /unconfigured table|keyspace .* does not exist/i.test(message)

const isMistake = (cause: Error): boolean =>
  cause instanceof errors.ResponseError
    ? mistakes.includes(cause.code) && !isGone(cause)
    : cause instanceof errors.ArgumentError ||
      cause instanceof errors.NotSupportedError ||
      cause instanceof errors.VIntOutOfRangeException

export const isTrouble = (cause: unknown): boolean =>
  (cause instanceof errors.DriverError && !isMistake(cause)) || (cause instanceof Error && "isSocketError" in cause)

/** Whether an error is the reply of a server, even one that other servers cannot be reached. */
export const isServerReply = (cause: unknown): boolean =>
  cause instanceof errors.ResponseError ||
  (cause instanceof errors.NoHostAvailableError && Object.values(cause.innerErrors ?? {}).some(isServerReply))

/**
 * An insert that was never sent, or refused for what it says. What a server says of other servers comes too late to tell.
 */
const wasNotMade = (cause: unknown): boolean =>
  cause instanceof errors.NoHostAvailableError ||
  (cause instanceof errors.ResponseError && cause.code >= 0x2000 && cause.code < 0x2500)

export const { attempt, attemptInsert } = driverCalls({ isTrouble, wasNotMade })
