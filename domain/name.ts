import { exceedsBytes } from "./json.ts"
import { nameBytesMax } from "./limits.ts"

// White space and control characters would make names ambiguous in URLs, logs and subjects of brokers.
const forbidden = /[\s\p{Cc}]/u

/**
 * What is wrong with a domain, type or key, in words, or undefined. "." and ".." are refused because every URL parser
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

const uuidV4 = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/i

/** What is wrong with the id of an event, in words, or undefined. */
export const eventIdProblem = (id: string): string | undefined => (uuidV4.test(id) ? undefined : "must be a UUID v4")
