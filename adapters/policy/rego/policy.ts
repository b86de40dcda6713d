import { Effect, Layer } from "effect"
import { Policy, type PolicyInput } from "../../../application/ports/Policy.ts"
import { type DecisionOutcome, Telemetry } from "../../../application/telemetry.ts"
import type { Json } from "../../../domain/json.ts"
import type { Evaluator } from "./evaluator.ts"
import { inputText, refOf } from "./input.ts"
import { decidingRule, type PolicyRefused } from "./load.ts"
import { type Current, reloading, type Side } from "./reloading.ts"
import type { RegoSettings } from "./settings.ts"

/**
 * Decides by policies in Rego. Without a response policy everything may be sent. A policy that fails, or takes longer than its budget, denies.
 */
export const layer = (settings: RegoSettings): Layer.Layer<Policy, PolicyRefused> =>
  Layer.effect(
    Policy,
    Effect.gen(function* () {
      const { request, response, allowsByDefault } = settings
      if (request === undefined && !allowsByDefault) yield* Effect.logWarning(noRequestPolicy)
      const requestPolicy = request && (yield* reloading("request", request, settings))
      const responsePolicy = response && (yield* reloading("response", response, settings))
      return Policy.of({
        allowsRequest: requestPolicy ? yield* decides("request", requestPolicy) : () => Effect.succeed(allowsByDefault),
        allowsResponse: responsePolicy ? yield* decides("response", responsePolicy) : () => Effect.succeed(true)
      })
    })
  )

const noRequestPolicy =
  "no request policy is set, so every call is denied; set STATEGATE_REQUEST_POLICY or STATEGATE_REQUEST_POLICY_FILE"

const decides = (policy: Side, current: Current) =>
  Effect.map(
    Telemetry,
    ({ recordDecision }) =>
      (input: PolicyInput) =>
        Effect.sync((): boolean => {
          const startMs = performance.now()
          const decision = decisionOf(current.evaluator(), input)
          const durationMs = performance.now() - startMs
          const about = () => aboutOf(input, decision.body)
          recordDecision({ policy, rule: decidingRule, method: input.method, durationMs, about, ...decision })
          return decision.outcome === "allow"
        })
  )

interface Decision {
  readonly outcome: DecisionOutcome
  readonly body: Json
  readonly reason?: string
}

/** Synchronous, since an evaluation uses the memory of its instance from end to end. */
const decisionOf = (evaluator: Evaluator, input: PolicyInput): Decision => {
  let body: Json = null
  try {
    body = input.body()
    return { outcome: evaluator.allows(inputText(input, body)) ? "allow" : "deny", body }
  } catch (failure) {
    return { outcome: "error", body, reason: failure instanceof Error ? failure.message : String(failure) }
  }
}

const aboutOf = ({ claims }: PolicyInput, body: Json) => {
  const { domain, type, key } = refOf(body)
  const text = (value: Json | undefined) => (typeof value === "string" ? value : undefined)
  return { sub: text(claims["sub"]), iss: text(claims["iss"]), domain, type, key }
}
