import { Context, type Effect } from "effect"
import type { Json, JsonObject } from "../../domain/json.ts"
import type { Unavailable } from "../failure.ts"

/** What a policy judges: a request before it is served, or a message before it is sent. */
export interface PolicyInput {
  readonly claims: JsonObject
  /** Such as `/stategate.EntityService/Set`. */
  readonly method: string
  /** Request headers, in lower case. No policy is shown those that hold credentials. */
  readonly metadata: () => JsonObject
  /** The message as proto JSON; made only for a policy that looks. */
  readonly body: () => Json
  readonly clientStream: boolean
  readonly serverStream: boolean
  /** The caller's verified certificate: subject, names, fingerprint. */
  readonly tls?: JsonObject
  /** Where the connection comes from: `address`. */
  readonly peer?: JsonObject
}

/** Decides who may do what. Every adapter must pass `test/contract/Policy.ts`. */
export class Policy extends Context.Service<
  Policy,
  {
    /** Whether the request may be served. */
    readonly allowsRequest: (input: PolicyInput) => Effect.Effect<boolean, Unavailable>
    /** Whether the message may be sent to the caller. */
    readonly allowsResponse: (input: PolicyInput) => Effect.Effect<boolean, Unavailable>
  }
>()("stategate/application/ports/Policy") {}
