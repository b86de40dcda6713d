import { Counter, Histogram, type Registry } from "prom-client"
import { decisionOutcomes, type Telemetry } from "../../../application/telemetry.ts"

/** Counts what policies decide, and how long they take. */
export const countDecisions = (registry: Registry): Telemetry["recordDecision"] => {
  const registers = [registry]
  const decisions = new Counter({
    name: "stategate_policy_decisions_total",
    help: "Decisions of the policies on requests and responses, by outcome; an error denies.",
    labelNames: ["policy", "outcome"],
    registers
  })
  const duration = new Histogram({
    name: "stategate_policy_evaluation_duration_seconds",
    help: "How long evaluations of the policies took.",
    labelNames: ["policy"],
    buckets: [0.000005, 0.00001, 0.000025, 0.00005, 0.0001, 0.00025, 0.001, 0.005, 0.01, 0.025, 0.05, 0.1],
    registers
  })
  for (const policy of ["request", "response"]) {
    // There from the start, so that the first one is an increase.
    for (const outcome of decisionOutcomes) decisions.inc({ policy, outcome }, 0)
    duration.zero({ policy })
  }
  return ({ policy, outcome, durationMs }) => {
    decisions.inc({ policy, outcome })
    duration.observe({ policy }, durationMs / 1000)
  }
}
