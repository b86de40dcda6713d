import { tokenBytesMax, tokenValuesMax } from "../../../application/limits.ts"
import type { Json, JsonObject } from "../../../domain/json.ts"
import { readJson } from "../../../domain/json-read.ts"
import { quoted } from "../refusal.ts"
import { type Algorithm, isAlgorithm } from "./algorithms.ts"

/** A token that is well formed; nothing in it was verified. */
export interface UnverifiedToken {
  readonly algorithm: Algorithm
  readonly kid: string | undefined
  readonly claims: JsonObject
}

/** Why a token cannot be one of ours, for the log. */
export interface Fault {
  readonly fault: string
}

/**
 * Reads the header and the claims of a signed JWT in its compact form (RFC 7515, RFC 7519). Keys that a header brings
 * along (jwk, jku, x5u, x5c) are not looked at.
 */
export const readToken = (token: string): UnverifiedToken | Fault => {
  if (token.length > tokenBytesMax) return { fault: `it has more than ${tokenBytesMax} bytes` }
  const parts = token.split(".")
  if (parts.length === 5) return { fault: "it is encrypted; only signed tokens are taken" }
  const [first = "", second = "", signature = ""] = parts
  if (parts.length !== 3 || first === "" || second === "") return { fault: "it is no JWT" }
  const header = objectIn(first)
  if (header === undefined) return { fault: "its header is no JSON object in base64url" }
  const { alg, kid, typ, cty, crit } = header
  if (!isAlgorithm(alg)) return { fault: `its alg is ${quoted(alg)}, which is not believed` }
  if (signature === "") return { fault: "it has no signature" }
  if (bytesIn(signature) === undefined) return { fault: "its signature is not base64url" }
  if (crit !== undefined) return { fault: "it has critical extensions (crit), and none is supported" }
  if (typ !== undefined && !isTokenType(typ)) return { fault: `its typ is ${quoted(typ)}, not at+jwt or JWT` }
  if (cty !== undefined) return { fault: "it is nested: it has a cty" }
  if (kid !== undefined && typeof kid !== "string") return { fault: "its kid is no text" }
  const claims = objectIn(second)
  if (claims === undefined) return { fault: "its claims are no JSON object in base64url" }
  return { algorithm: alg, kid, claims }
}

/** RFC 9068, 2.1, and what is used without it; a media type may go without its "application/". */
const isTokenType = (typ: Json): boolean => typeof typ === "string" && /^(application\/)?(at\+)?jwt$/i.test(typ)

const objectIn = (part: string): JsonObject | undefined => {
  const bytes = bytesIn(part)
  if (bytes === undefined) return undefined
  let text: string
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    return undefined
  }
  const read = readJson(text, tokenValuesMax)
  if (!read.ok || typeof read.value !== "object" || read.value === null || Array.isArray(read.value)) return undefined
  return read.value as JsonObject
}

/** Buffer reads many texts as the same bytes; one of them is base64url. */
const bytesIn = (part: string): Buffer | undefined => {
  const bytes = Buffer.from(part, "base64url")
  return bytes.toString("base64url") === part ? bytes : undefined
}
