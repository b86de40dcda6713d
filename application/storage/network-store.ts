import { Effect, type Scope } from "effect"
import type { Unavailable } from "../failure.ts"
import type { EventStore } from "../ports/EventStore.ts"
import { withCircuitBreaker } from "./circuit-breaker.ts"
import { withClockGuard } from "./clock-guard.ts"
import { integerMax } from "./range.ts"

/** How a server on the network is checked. */
export interface NetworkChecks {
  /** Asks the server for its clock, in Unix milliseconds, without waiting for connections that calls use. */
  readonly healthCheck: Effect.Effect<number, Unavailable>
  /** Whether an error is the reply of a server, and not the lack of one. */
  readonly isServerReply: (cause: unknown) => boolean
}

/** A store on the network as calls use it: behind a circuit breaker, and with a guard against clock skew. */
export const networkStore = Effect.fnUntraced(function* (
  store: EventStore["Service"],
  { healthCheck, isServerReply }: NetworkChecks
): Effect.fn.Return<EventStore["Service"], Unavailable, Scope.Scope> {
  const guarded = yield* withClockGuard(yield* withCircuitBreaker(store, healthCheck, isServerReply), healthCheck)
  // No column holds a larger version.
  const version: typeof store.version = (ref, version) =>
    version > integerMax ? Effect.succeed(undefined) : guarded.version(ref, version)
  return { ...guarded, version }
})
