import { Context, type Effect } from "effect"
import type { JsonObject } from "../../domain/json.ts"
import type { Unauthenticated, Unavailable } from "../failure.ts"

/** A caller that was vouched for. */
export interface Principal {
  /** Verified claims; they go into every event that the caller makes. */
  readonly claims: JsonObject
  /** Milliseconds since the epoch after which the claims count no more, and open streams end. */
  readonly expiresMs?: number
}

/** Tells who calls. Every adapter must pass `test/contract/Authenticator.ts`. */
export class Authenticator extends Context.Service<
  Authenticator,
  {
    /** The principal behind a bearer token (undefined: the caller sent none). Never guesses: no proof, no principal. */
    readonly authenticate: (token: string | undefined) => Effect.Effect<Principal, Unauthenticated | Unavailable>
  }
>()("stategate/application/ports/Authenticator") {}
