import type { Json, JsonObject } from "../../../domain/json.ts"
import { jsonProblem } from "../../../domain/json.ts"
import { quoted } from "../refusal.ts"

/** What the claims of a token must say. */
export interface Expected {
  /** Undefined: any issuer. */
  readonly issuers: ReadonlyArray<string> | undefined
  /** Undefined: any audience. A token has to name one of these. */
  readonly audiences: ReadonlyArray<string> | undefined
  /** A token has to have all of these. */
  readonly scopes: ReadonlyArray<string>
  readonly leewayMs: number
}

/** Claims that hold, or why they do not. */
export type Checked =
  | {
      /** Milliseconds since the epoch at which the token expires. */
      readonly expiresMs: number
    }
  | { readonly fault: string }
  | { readonly missingScopes: ReadonlyArray<string> }

/** Milliseconds since the epoch that every platform can make a date of. */
const dateMsMax = 8.64e15

/** Checks the registered claims of RFC 7519 and the scopes of RFC 9068, at a time in milliseconds since the epoch. */
export const checkClaims = (claims: JsonObject, expected: Expected, nowMs: number): Checked => {
  const { exp, nbf, iss, aud } = claims
  if (typeof exp !== "number") return { fault: "it has no exp" }
  const expiresMs = Math.min(exp * 1000, dateMsMax)
  if (!(nowMs < expiresMs + expected.leewayMs)) return { fault: `it expired at ${dateOf(expiresMs)}` }
  if (nbf !== undefined) {
    if (typeof nbf !== "number") return { fault: "its nbf is no number" }
    if (nowMs < nbf * 1000 - expected.leewayMs) return { fault: `it is not valid before ${dateOf(nbf * 1000)}` }
  }
  if (expected.issuers !== undefined && !(typeof iss === "string" && expected.issuers.includes(iss))) {
    return { fault: `its iss is ${quoted(iss)}` }
  }
  if (expected.audiences !== undefined && !textsOf(aud).some((one) => expected.audiences!.includes(one))) {
    return { fault: `its aud is ${quoted(aud)}` }
  }
  // Bound to a key that its sender must prove to have: taken from anybody, it would be worth more than it was made for.
  if (claims["cnf"] !== undefined) return { fault: "it is bound to a key (cnf), which this version cannot check" }
  const problem = jsonProblem(claims)
  if (problem !== undefined) return { fault: `its claim ${problem.path} ${problem.rule}` }
  const given = scopesOf(claims)
  const missingScopes = expected.scopes.filter((scope) => !given.includes(scope))
  return missingScopes.length > 0 ? { missingScopes } : { expiresMs }
}

const dateOf = (ms: number): string =>
  Math.abs(ms) <= dateMsMax ? new Date(ms).toISOString() : "a time that is no date"

/** An audience is a text or a list of them. */
const textsOf = (value: Json | undefined): ReadonlyArray<string> =>
  typeof value === "string"
    ? [value]
    : Array.isArray(value)
      ? value.filter((one): one is string => typeof one === "string")
      : []

/** `scope` is a text with spaces; `scp`, as some issuers call it, the same or a list. */
const scopesOf = ({ scope, scp }: JsonObject): ReadonlyArray<string> =>
  [...textsOf(scope), ...textsOf(scp)].flatMap((text) => text.split(" "))
