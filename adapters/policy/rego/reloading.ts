import { createHash } from "node:crypto"
import { readFile } from "node:fs/promises"
import { Duration, Effect, type Scope } from "effect"
import { keepRunning } from "../../../application/background.ts"
import { Telemetry } from "../../../application/telemetry.ts"
import type { Evaluator } from "./evaluator.ts"
import { policyCheckMs } from "./limits.ts"
import { type LoadedPolicy, load, type Named, PolicyRefused } from "./load.ts"
import type { Origin, RegoSettings } from "./settings.ts"

export type Side = "request" | "response"

/** The evaluator that decides now. */
export interface Current {
  readonly evaluator: () => Evaluator
}

const read = async (origin: Origin): Promise<Named> => {
  if (origin._tag === "Inline") return origin
  try {
    return { name: origin.path, bytes: await readFile(origin.path) }
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code ?? String(cause)
    throw new PolicyRefused(`${origin.name}: ${origin.path} cannot be read (${code})`, { cause })
  }
}

interface Files {
  readonly policy: Named
  readonly data: Named | undefined
  readonly hash: string
}

const refused = (cause: unknown) =>
  cause instanceof PolicyRefused ? cause : new PolicyRefused(String(cause), { cause })

/**
 * Loads the policy of one side, and again whenever its files change. One that cannot be used fails the start; later, it
 * is reported and the one before it stays.
 */
export const reloading = Effect.fn("Policy.load")(function* (
  side: Side,
  origin: Origin,
  settings: RegoSettings
): Effect.fn.Return<Current, PolicyRefused, Scope.Scope> {
  const { count } = yield* Telemetry
  const files = Effect.tryPromise({
    try: async (): Promise<Files> => {
      const policy = await read(origin)
      const data = settings.data === undefined ? undefined : await read(settings.data)
      const hash = createHash("sha256")
        .update(policy.bytes)
        .update("\0")
        .update(data?.bytes ?? "")
      return { policy, data, hash: hash.digest("hex") }
    },
    catch: refused
  })
  const loaded = ({ policy, data }: Files) =>
    Effect.tryPromise({ try: () => load({ ...settings, policy, data }), catch: refused })

  const first = yield* files
  let current = yield* loaded(first)
  yield* Effect.logInfo(described(side, first.policy.name, current))

  let tried = first.hash
  let isUnreadable = false
  const reload = Effect.gen(function* () {
    const found = yield* files
    isUnreadable = false
    if (found.hash === tried) return
    tried = found.hash
    current = yield* loaded(found)
    count("policyReloads", 1)
    yield* Effect.logInfo(`${described(side, found.policy.name, current)}, reloaded`)
  })
  const check = Effect.catch(reload, (refusal) => {
    // A file that is missing for long is reported once.
    const isKnown = isUnreadable
    isUnreadable = true
    if (isKnown) return Effect.void
    count("policyReloadsRefused", 1)
    return Effect.logError(`the ${side} policy changed and cannot be used; the one before it stays: ${refusal.message}`)
  })
  const isFile = origin._tag === "File" || settings.data?._tag === "File"
  if (isFile) yield* keepRunning("policy", Effect.andThen(Effect.sleep(Duration.millis(policyCheckMs)), check))
  return { evaluator: () => current.evaluator }
})

const described = (side: Side, name: string, { version }: LoadedPolicy): string =>
  `the ${side} policy is ${name}, ${version === undefined ? "compiled by opa" : `read as Rego ${version}`}`
