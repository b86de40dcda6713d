import { join } from "node:path"
import { Layer } from "effect"
import { layer } from "../../adapters/policy/rego/policy.ts"
import type { RegoSettings } from "../../adapters/policy/rego/settings.ts"
import type { Policy } from "../../application/ports/Policy.ts"

const inline = (name: string, source: string | undefined) =>
  source === undefined ? undefined : { _tag: "Inline" as const, name, bytes: new TextEncoder().encode(source) }

/** Keeps what tests compile for their next run: the key holds the compiler's own checksum. */
export const compiledPolicies = join(import.meta.dirname, "../../.cache/policies")

/** Settings for policies that are texts. */
export const regoSettings = (
  policies: { readonly request?: string; readonly response?: string; readonly data?: string },
  more: Partial<RegoSettings> = {}
): RegoSettings => ({
  request: inline("STATEGATE_REQUEST_POLICY", policies.request),
  response: inline("STATEGATE_RESPONSE_POLICY", policies.response),
  data: inline("STATEGATE_POLICY_DATA", policies.data),
  allowsByDefault: false,
  version: "",
  budgetMs: 1_000,
  folder: compiledPolicies,
  ...more
})

/** A policy adapter whose policies are known to compile. */
export const rego = (...settings: Parameters<typeof regoSettings>): Layer.Layer<Policy> =>
  Layer.orDie(layer(regoSettings(...settings)))
