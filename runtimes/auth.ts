// Who is believed, and what tokens have to be like.

import { keyAgeMsMax, tokenLeewayMs } from "../application/limits.ts"
import * as formats from "./formats.ts"

/** Where the keys come from that tokens are verified with. */
export type KeysFrom =
  | { readonly uri: string }
  | { readonly file: string }
  | { readonly issuers: ReadonlyArray<string> }

export interface AuthSettings {
  readonly keys: KeysFrom
  /** Undefined: any that the keys verify. */
  readonly issuers: ReadonlyArray<string> | undefined
  /** Undefined: for any audience. */
  readonly audiences: ReadonlyArray<string> | undefined
  readonly scopes: ReadonlyArray<string>
  readonly leewayMs: number
  readonly keyAgeMsMax: number
  readonly isOptional: boolean
  /** Undefined: all. */
  readonly eventClaims: ReadonlyArray<string> | undefined
}

export interface AuthParsed {
  readonly authDisabled: boolean
  /** Undefined where authentication is disabled. */
  readonly auth: AuthSettings | undefined
  readonly errors: ReadonlyArray<string>
  readonly warnings: ReadonlyArray<string>
}

type Environment = Readonly<Record<string, string | undefined>>

const sources = ["STATEGATE_JWKS_URI", "STATEGATE_JWKS_FILE", "STATEGATE_OIDC_ISSUER"] as const
const rules = [
  "STATEGATE_JWT_ISSUER",
  "STATEGATE_JWT_AUDIENCE",
  "STATEGATE_JWT_SCOPES",
  "STATEGATE_JWT_LEEWAY",
  "STATEGATE_JWKS_MAX_AGE",
  "STATEGATE_AUTH_OPTIONAL",
  "STATEGATE_EVENT_CLAIMS"
] as const
type Name = (typeof sources)[number] | (typeof rules)[number] | "STATEGATE_AUTH_DISABLED"

/** Reads what the environment says of authentication, or everything that is wrong with it. */
export const authSettings = (env: Environment): AuthParsed => {
  const errors: Array<string> = []
  const text = (name: Name) => env[name]?.trim() || undefined
  const read = <A>(name: Name, parse: (text: string) => formats.Parsed<A>): A | undefined => {
    const given = text(name)
    if (given === undefined) return undefined
    const parsed = parse(given)
    if ("value" in parsed) return parsed.value
    errors.push(`${name}: ${parsed.problem}`)
    return undefined
  }
  const authDisabled = read("STATEGATE_AUTH_DISABLED", formats.boolean)
  const uri = read("STATEGATE_JWKS_URI", webAddress)
  const file = read("STATEGATE_JWKS_FILE", (path) => ({ value: path }))
  const oidc = read("STATEGATE_OIDC_ISSUER", issuerList)
  const issuers = read("STATEGATE_JWT_ISSUER", commaList)
  const settings = {
    audiences: read("STATEGATE_JWT_AUDIENCE", commaList),
    scopes: read("STATEGATE_JWT_SCOPES", scopeList) ?? [],
    leewayMs: read("STATEGATE_JWT_LEEWAY", leeway) ?? tokenLeewayMs,
    keyAgeMsMax: read("STATEGATE_JWKS_MAX_AGE", formats.durationMs) ?? keyAgeMsMax,
    isOptional: read("STATEGATE_AUTH_OPTIONAL", formats.boolean) ?? false,
    eventClaims: read("STATEGATE_EVENT_CLAIMS", commaList)
  }
  const given = sources.filter((name) => text(name) !== undefined)
  if (authDisabled === true) {
    const idle = [...sources, ...rules].filter((name) => text(name) !== undefined)
    const warnings = idle.map((name) => `${name}: without effect, since STATEGATE_AUTH_DISABLED is true`)
    return { authDisabled: true, auth: undefined, errors, warnings }
  }
  if (given.length > 1) errors.push(`${given.join(" and ")}: set one of them alone; each says where the keys come from`)
  if (oidc !== undefined && issuers !== undefined) {
    errors.push("STATEGATE_JWT_ISSUER: unset it; STATEGATE_OIDC_ISSUER already says which issuers are believed")
  }
  if (given.length === 0 && errors.length === 0) errors.push(nothingSet)
  const keys = uri !== undefined ? { uri } : file !== undefined ? { file } : oidc && { issuers: oidc }
  const auth = keys === undefined ? undefined : { keys, issuers: issuers ?? oidc, ...settings }
  return { authDisabled: false, auth, errors, warnings: [uri, ...(oidc ?? [])].flatMap(unprotected) }
}

const nothingSet =
  "STATEGATE_JWKS_URI, STATEGATE_JWKS_FILE or STATEGATE_OIDC_ISSUER: set one of them to say which tokens are believed, " +
  "or STATEGATE_AUTH_DISABLED=true to let everyone who reaches the port read and write everything"

const commaList = (text: string): formats.Parsed<ReadonlyArray<string>> => {
  const items = text.split(",").map((item) => item.trim())
  return items.includes("") ? { problem: "has an empty item between its commas" } : { value: [...new Set(items)] }
}

/** RFC 6749, 3.3: the characters of scopes. */
const scopeList = (text: string): formats.Parsed<ReadonlyArray<string>> => {
  const items = text.split(/[\s,]+/)
  const isFit = items.every((item) => /^[\x21\x23-\x5B\x5D-\x7E]+$/.test(item))
  return isFit ? { value: items } : { problem: "must be scopes, separated by spaces" }
}

const leewayMsMax = 5 * 60_000

const leeway = (text: string): formats.Parsed<number> => {
  const parsed = formats.durationMs(text)
  return "value" in parsed && parsed.value > leewayMsMax ? { problem: "must be at most 5m" } : parsed
}

const webAddress = (text: string): formats.Parsed<string> => {
  const url = URL.parse(text)
  // Not repeated: it may hold a password.
  if (url === null || !["https:", "http:"].includes(url.protocol)) return { problem: "must be an https address" }
  if (url.hash !== "") return { problem: "must not have a fragment (#)" }
  if (url.username !== "" || url.password !== "") return { problem: "must not hold a user or password" }
  return { value: text }
}

const issuerList = (text: string): formats.Parsed<ReadonlyArray<string>> => {
  const items = commaList(text)
  if ("problem" in items) return items
  for (const item of items.value) {
    const parsed = webAddress(item)
    if ("problem" in parsed) return parsed
    if (item.includes("?")) return { problem: "must not have a query" }
  }
  return items
}

/** Who can change what comes over an unprotected connection can make tokens. */
const unprotected = (address: string | undefined): ReadonlyArray<string> => {
  const url = address === undefined ? null : URL.parse(address)
  if (url?.protocol !== "http:" || /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(url.hostname)) return []
  return [`${url.origin}: keys are fetched without TLS; whoever is on the way can put in keys of their own`]
}
