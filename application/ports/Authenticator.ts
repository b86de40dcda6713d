import { Context, type Effect } from "effect"
import type { JsonObject } from "../../domain/json.ts"
import type { PermissionDenied, Unauthenticated, Unavailable } from "../failure.ts"

/** A caller that was vouched for. */
export interface Principal {
  /** Verified claims, as policies see them. */
  readonly claims: JsonObject
  /** The claims that go into every event that the caller makes; absent: all of them. */
  readonly eventClaims?: JsonObject
  /** Milliseconds since the epoch after which open streams of the caller end. */
  readonly expiresMs?: number
}

/** Whether tokens can be verified: `stale` with the last good keys of an issuer that gives no others. */
export type KeysStatus = "ok" | "stale" | "unavailable"

/** Tells who calls. Every adapter must pass `test/contract/Authenticator.ts`. */
export class Authenticator extends Context.Service<
  Authenticator,
  {
    /**
     * The principal behind the value of an `authorization` header (undefined: the caller sent none). Never guesses: no
     * proof, no principal. Fails with `PermissionDenied` when a token is good and lacks a scope that every call needs, and
     * with `Unavailable` when there are no keys to verify it with.
     */
    readonly authenticate: (
      authorization: string | undefined
    ) => Effect.Effect<Principal, Unauthenticated | PermissionDenied | Unavailable>
    /** How it stands with the keys; undefined where none are needed. */
    readonly keys: Effect.Effect<KeysStatus | undefined>
  }
>()("stategate/application/ports/Authenticator") {}
