import type { Value } from "../values.ts"
import { type Builtin, fromJson, stringOf, undefinedFor } from "./builtin.ts"

/** Of an unverified token: the caller's own is verified, and its claims are in the input. */
export const tokens: Readonly<Record<string, Builtin>> = {
  "io.jwt.decode": ([token]) => {
    const [header, payload, signature, ...more] = stringOf(token).split(".")
    if (header === undefined || payload === undefined || signature === undefined || more.length > 0) {
      return undefinedFor("not a token")
    }
    return [objectOf(header), objectOf(payload), bytesOf(signature).toString("hex")]
  }
}

const bytesOf = (part: string): Buffer =>
  /^[\w-]*={0,2}$/.test(part) ? Buffer.from(part, "base64url") : undefinedFor("not Base64")

const objectOf = (part: string): Value => {
  try {
    const value: unknown = JSON.parse(bytesOf(part).toString("utf8"))
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return fromJson(value)
  } catch {
    // Falls through: what is no JSON is no token either.
  }
  return undefinedFor("not a JSON object")
}
