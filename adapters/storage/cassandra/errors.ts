import { errors } from "cassandra-driver"
import { Effect } from "effect"
import { storeUnavailable, type Unavailable } from "../../../application/failure.ts"

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

/** Whether it is trouble with the servers, or the way to them, and no mistake of ours. */
export const isTrouble = (cause: unknown): boolean =>
  (cause instanceof errors.DriverError && !isMistake(cause)) || (cause instanceof Error && "isSocketError" in cause)

/** What the driver answers, or that the store is not available. */
export const attempt = <A>(use: () => Promise<A>): Effect.Effect<A, Unavailable> =>
  Effect.catch(
    Effect.tryPromise({ try: use, catch: (cause) => cause }),
    (cause): Effect.Effect<never, Unavailable> =>
      isTrouble(cause) ? Effect.fail(storeUnavailable(cause)) : Effect.die(cause)
  )

/** Whether an error is the reply of a server, even one that other servers cannot be reached. */
export const isServerReply = (cause: unknown): boolean =>
  cause instanceof errors.ResponseError ||
  (cause instanceof errors.NoHostAvailableError && Object.values(cause.innerErrors ?? {}).some(isServerReply))

/**
 * Whether it is certain that a record was not inserted, nor will be: it was never sent, or refused for what it says. Whatever
 * a server says of other servers comes too late to tell.
 */
export const wasNotMade = (cause: unknown): boolean =>
  cause instanceof errors.NoHostAvailableError ||
  (cause instanceof errors.ResponseError && cause.code >= 0x2000 && cause.code < 0x2500)
