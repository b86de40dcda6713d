import { parseArgs } from "node:util"
import type { Json } from "../../domain/json.ts"
import { durationMs } from "../formats.ts"
import type { Problem } from "./arguments.ts"
import type { GenerateKeys, MakeToken } from "./keys.ts"

const defaultFolder = "./data/keys"

export const keysUsage = `  keys generate [--folder <folder>] [--keep]  makes a key pair and its key set, ${defaultFolder}/jwks.json; --keep: unless there
  token --sub <name> [--claim <name>=<value>] signs a token with that key; --claim as often as needed, a value that is
    [--ttl 1h] [--folder <folder>]            JSON is taken as such`

/** What `keys` is asked to do. */
export const keysOf = ([verb, ...rest]: ReadonlyArray<string>): GenerateKeys | Problem => {
  if (verb !== "generate") return { problem: `keys has one verb: keys generate.\n\n${keysUsage}` }
  try {
    const { values } = parseArgs({
      args: rest,
      options: { folder: { type: "string", default: defaultFolder }, keep: { type: "boolean", default: false } }
    })
    return { name: "keys", ...values }
  } catch (error) {
    return refusal(error)
  }
}

/** What `token` is asked for. */
export const tokenOf = (args: ReadonlyArray<string>): MakeToken | Problem => {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        sub: { type: "string" },
        claim: { type: "string", multiple: true, default: [] },
        ttl: { type: "string", default: "1h" },
        folder: { type: "string", default: defaultFolder }
      }
    })
    const ttl = durationMs(values.ttl)
    if ("problem" in ttl) return { problem: `--ttl: ${ttl.problem}` }
    if (values.sub === undefined || values.sub === "") return { problem: `--sub is missing.\n\n${keysUsage}` }
    const claims: Record<string, Json> = { sub: values.sub }
    for (const text of values.claim) {
      const at = text.indexOf("=")
      if (at < 1) return { problem: `--claim ${JSON.stringify(text)}: must be a name, = and a value` }
      claims[text.slice(0, at)] = claimValue(text.slice(at + 1))
    }
    return { name: "token", folder: values.folder, claims, ttlMs: ttl.value }
  } catch (error) {
    return refusal(error)
  }
}

const refusal = (error: unknown): Problem => ({
  problem: `${error instanceof Error ? error.message : error}.\n\n${keysUsage}`
})

const claimValue = (text: string): Json => {
  try {
    return JSON.parse(text) as Json
  } catch {
    return text
  }
}
