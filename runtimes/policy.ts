// What callers may do, and which decisions are logged.

import type { RegoVersion } from "../adapters/policy/rego/compilation.ts"
import type { Origin, RegoSettings } from "../adapters/policy/rego/settings.ts"
import type { DecisionLog } from "../adapters/telemetry/pino/log.ts"
import * as formats from "./formats.ts"

export interface PolicyParsed {
  /** Undefined where no policy is set. */
  readonly rego: RegoSettings | undefined
  readonly policyDisabled: boolean
  readonly decisionLog: DecisionLog
  readonly errors: ReadonlyArray<string>
}

type Environment = Readonly<Record<string, string | undefined>>

const budgetMs = 50
const budgetMsMax = 10_000

/** Reads what the environment says of policies, or everything that is wrong with it. */
export const policySettings = (env: Environment, authDisabled: boolean): PolicyParsed => {
  const errors: Array<string> = []
  const text = (name: string) => env[name]?.trim() || undefined
  const read = <A>(name: string, parse: (text: string) => formats.Parsed<A>): A | undefined => {
    const given = text(name)
    if (given === undefined) return undefined
    const parsed = parse(given)
    if ("value" in parsed) return parsed.value
    errors.push(`${name}: ${parsed.problem}`)
    return undefined
  }
  const origin = (name: string, parse: (text: string) => formats.Parsed<Uint8Array>): Origin | undefined => {
    const bytes = read(name, parse)
    const path = text(`${name}_FILE`)
    if (text(name) !== undefined && path !== undefined) errors.push(`${name} and ${name}_FILE: set one of them alone`)
    if (bytes !== undefined) return { _tag: "Inline", name, bytes }
    return path === undefined ? undefined : { _tag: "File", name: `${name}_FILE`, path }
  }
  const request = origin("STATEGATE_REQUEST_POLICY", base64)
  const response = origin("STATEGATE_RESPONSE_POLICY", base64)
  const data = origin("STATEGATE_POLICY_DATA", utf8)
  const policyDisabled = read("STATEGATE_POLICY_DISABLED", formats.boolean) ?? false
  const isSet = request !== undefined || response !== undefined
  if (policyDisabled && isSet) {
    errors.push("STATEGATE_POLICY_DISABLED: unset it, or the policies; a policy that is set decides")
  }
  const settings: RegoSettings = {
    request,
    response,
    data,
    allowsByDefault: authDisabled,
    version: read("STATEGATE_REGO_VERSION", regoVersion) ?? "",
    budgetMs: read("STATEGATE_POLICY_BUDGET", budget) ?? budgetMs,
    folder: text("STATEGATE_POLICY_CACHE") ?? "./data/policies"
  }
  const decisionLog = read("STATEGATE_DECISION_LOG", decisions) ?? "denied"
  return { rego: isSet ? settings : undefined, policyDisabled, decisionLog, errors }
}

const base64 = (text: string): formats.Parsed<Uint8Array> => {
  const packed = text.replace(/\s/g, "")
  return /^[A-Za-z0-9+/]+={0,2}$/.test(packed)
    ? { value: Buffer.from(packed, "base64") }
    : { problem: "must be Base64; Rego as it is goes into a file, named by the variable with _FILE behind its name" }
}

const utf8 = (text: string): formats.Parsed<Uint8Array> => ({ value: new TextEncoder().encode(text) })

const regoVersion = (text: string): formats.Parsed<RegoVersion> =>
  text === "v0" || text === "v1" ? { value: text } : { problem: "must be v0 or v1; unset, v1 is tried, then v0" }

const decisions = (text: string): formats.Parsed<DecisionLog> =>
  text === "none" || text === "denied" || text === "all" ? { value: text } : { problem: "must be none, denied or all" }

const budget = (text: string): formats.Parsed<number> => {
  const parsed = formats.durationMs(text)
  if ("problem" in parsed) return parsed
  return parsed.value >= 1 && parsed.value <= budgetMsMax ? parsed : { problem: "must be from 1ms to 10s" }
}
