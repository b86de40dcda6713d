import { type Glob, type Token, tokensOf } from "./glob.ts"
import { exceedsBytes } from "./json.ts"
import { nameBytesMax } from "./limits.ts"

// White space and control characters would make names ambiguous in URLs, logs and subjects of brokers.
const forbidden = /[\s\p{Cc}]/u

/**
 * The rule that a domain, type or key breaks, for an error message; undefined if it is valid. "." and ".." are refused because every URL parser
 * collapses them: such an entity could be made over gRPC and never be reached over REST.
 */
export const nameProblem = (name: string): string | undefined => {
  if (name === "") return "must not be empty"
  if (exceedsBytes(name, nameBytesMax)) return `must be at most ${nameBytesMax} bytes of UTF-8`
  if (!name.isWellFormed()) return "must be valid Unicode (it has a lone surrogate)"
  if (forbidden.test(name)) return "must not hold white space or control characters"
  if (name === "." || name === "..") return 'must not be "." or ".."'
  return undefined
}

const isForbidden = (code: number): boolean => forbidden.test(String.fromCodePoint(code))

/** The lowest character that a token takes and a name may hold, undefined if there is none; `except` counts as none. */
const lowestOf = (token: Token, except?: number): number | undefined => {
  if (token === "many" || token === "one") return 0x61
  for (const [from, to] of typeof token === "number" ? [[token, token] as const] : token) {
    // At most a few dozen steps: runs of forbidden characters are no longer.
    for (let code = from; code <= to; code++) if (!isForbidden(code) && code !== except) return code
  }
  return undefined
}

const utf8BytesOf = (code: number): number => (code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4)

const dot = 0x2e

/** The reason why a glob cannot match any valid name, for an error message; undefined if it can. */
export const globProblem = (glob: Glob): string | undefined => {
  if (glob.literal !== undefined) return nameProblem(glob.literal)
  const tokens = tokensOf(glob)
  let bytes = 0
  for (const token of tokens) {
    const code = lowestOf(token)
    if (code === undefined) return "must match some name, and none holds white space or control characters"
    if (token !== "many") bytes += utf8BytesOf(code)
  }
  if (bytes > nameBytesMax) return `must match some name, and none is longer than ${nameBytesMax} bytes of UTF-8`
  const isDots = tokens.length <= 2 && tokens.every((token) => token !== "many" && lowestOf(token, dot) === undefined)
  return isDots ? 'must match some name, and none is "." or ".."' : undefined
}

const uuidV4 = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/i

/** The rule that an event id breaks, for an error message; undefined if it is valid. */
export const eventIdProblem = (id: string): string | undefined => (uuidV4.test(id) ? undefined : "must be a UUID v4")
