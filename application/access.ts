import { Context, Effect, Layer } from "effect"
import { PermissionDenied, type Unauthenticated, type Unavailable } from "./failure.ts"
import { Authenticator, type Principal } from "./ports/Authenticator.ts"
import { Policy, type PolicyInput } from "./ports/Policy.ts"

const denied = new PermissionDenied({ message: "the policy does not allow this call" })

/** Who may do what: the same two questions before every call and before every answer. */
export class Access extends Context.Service<
  Access,
  {
    /** The principal behind the value of an `authorization` header. */
    readonly authenticate: (
      authorization: string | undefined
    ) => Effect.Effect<Principal, Unauthenticated | PermissionDenied | Unavailable>
    /** Fails unless the policy allows all of the requests; an Apply brings itself and each of its commands. */
    readonly admit: (inputs: ReadonlyArray<PolicyInput>) => Effect.Effect<void, PermissionDenied | Unavailable>
    /** Whether the message may be shown to the caller. */
    readonly shows: (input: PolicyInput) => Effect.Effect<boolean, Unavailable>
  }
>()("stategate/application/Access") {
  static readonly layer = Layer.effect(
    Access,
    Effect.gen(function* () {
      const { authenticate } = yield* Authenticator
      const policy = yield* Policy
      const admit = Effect.fnUntraced(function* (inputs: ReadonlyArray<PolicyInput>) {
        for (const input of inputs) if (!(yield* policy.allowsRequest(input))) return yield* denied
      })
      return Access.of({ authenticate, admit, shows: policy.allowsResponse })
    })
  )
}
