// An authenticator over a real issuer, and what it says of tokens.

import { Effect, Exit, Layer, Logger, Scope } from "effect"
import { assert } from "vitest"
import { type IssuerKeys, type Rules, layer as verifying } from "../../adapters/auth/jwt/authenticator.ts"
import type { PermissionDenied, Unauthenticated, Unavailable } from "../../application/failure.ts"
import { Authenticator, type KeysStatus, type Principal } from "../../application/ports/Authenticator.ts"
import { type CounterName, combineTelemetry, Telemetry } from "../../application/telemetry.ts"

export type Refusal = Unauthenticated | PermissionDenied | Unavailable

/** An authenticator that is asked from outside of effects. */
export interface Asked {
  /** Asks with a value of the header, or with none. */
  readonly withHeader: (authorization: string | undefined) => Promise<Principal | Refusal>
  readonly withToken: (token: string) => Promise<Principal | Refusal>
  readonly keys: () => Promise<KeysStatus | undefined>
  readonly gauge: (name: string) => number | undefined
  readonly counted: (what: CounterName) => number
  /** What it logged. */
  readonly lines: ReadonlyArray<string>
  readonly [Symbol.asyncDispose]: () => Promise<void>
}

/** Builds an authenticator over keys, as the runtime does. */
export const opened = async (
  keys: Effect.Effect<ReadonlyArray<IssuerKeys>, Error, Scope.Scope>,
  rules: Rules = {}
): Promise<Asked> => {
  const lines: Array<string> = []
  const gauges = new Map<string, () => number>()
  const counts = new Map<CounterName, number>()
  const observer = combineTelemetry({
    registerGauge: (what, read) => void gauges.set(what, read),
    count: (what, by) => void counts.set(what, (counts.get(what) ?? 0) + by)
  })
  const logger = Logger.layer([
    Logger.make<unknown, void>(({ logLevel, message }) => void lines.push(`${logLevel} ${message}`))
  ])
  const heard = Layer.merge(Layer.succeed(Telemetry, observer), logger)
  const scope = Scope.makeUnsafe()
  const built = Layer.buildWithScope(Layer.provide(verifying(keys, rules), heard), scope)
  const context = await Effect.runPromise(built)
  const ask = <A, E>(use: (authenticator: Authenticator["Service"]) => Effect.Effect<A, E>) =>
    Effect.runPromise(Effect.provide(Effect.result(Authenticator.use(use)), context))
  const withHeader = async (authorization: string | undefined) => {
    const result = await ask(({ authenticate }) => authenticate(authorization))
    return result._tag === "Success" ? result.success : result.failure
  }
  return {
    withHeader,
    withToken: (token) => withHeader(`Bearer ${token}`),
    keys: async () => {
      const result = await ask((authenticator) => authenticator.keys)
      assert(result._tag === "Success")
      return result.success
    },
    gauge: (name) => gauges.get(name)?.(),
    counted: (what) => counts.get(what) ?? 0,
    lines,
    [Symbol.asyncDispose]: () => Effect.runPromise(Scope.close(scope, Exit.void))
  }
}

/** Fails unless the token was believed; answers its principal. */
export const believed = (outcome: Principal | Refusal): Principal => {
  if ("_tag" in outcome) assert.fail(`refused: ${outcome.message} ${"reason" in outcome ? outcome.reason : ""}`)
  return outcome
}

/** Fails unless the token was refused as invalid, for this reason in the log and none that the caller learns. */
export const refusedFor = (outcome: Principal | Refusal, reason: RegExp): void => {
  if (!("_tag" in outcome) || outcome._tag !== "Unauthenticated") assert.fail(`not refused: ${JSON.stringify(outcome)}`)
  assert.deepStrictEqual([outcome.message, outcome.error], ["the token is not valid", "invalid_token"])
  assert.match(outcome.reason ?? "", reason)
}
