import { Effect } from "effect"
import { Defect, OutcomeUnknown, storeUnavailable, type Unavailable } from "../failure.ts"

/** How an adapter tells the errors of its driver apart. */
export interface DriverErrors {
  /** Trouble with the server or the way to it, and no mistake of ours. */
  readonly isTrouble: (cause: unknown) => boolean
  /** Whether it is certain that a write was not made, nor will be. Any other trouble leaves its outcome unknown. */
  readonly wasNotMade: (cause: unknown) => boolean
}

/** Runs calls of a driver. */
export const driverCalls = ({ isTrouble, wasNotMade }: DriverErrors) => ({
  /** Fails on trouble. Dies of our own mistakes, since asking again would not help. */
  attempt: <A>(use: () => Promise<A>): Effect.Effect<A, Unavailable> =>
    Effect.catch(
      Effect.tryPromise({ try: use, catch: (cause) => cause }),
      (cause): Effect.Effect<never, Unavailable> =>
        isTrouble(cause) ? Effect.fail(storeUnavailable(cause)) : Effect.die(cause)
    ),
  /** An insert, with the failures of `CommitPrimitives.insertRecord`. */
  attemptInsert: <A>(use: () => Promise<A>): Effect.Effect<A, Unavailable | OutcomeUnknown | Defect> =>
    Effect.mapError(Effect.tryPromise({ try: use, catch: (cause) => cause }), (cause) => {
      if (!isTrouble(cause)) return new Defect({ cause })
      return wasNotMade(cause) ? storeUnavailable(cause) : new OutcomeUnknown({ cause })
    })
})
