// Laws of a port as data: an adapter's test registers them with vitest, and the mutants run them one by one, to see
// that each of them can fail.

import { Effect, type Layer, ManagedRuntime } from "effect"
import fc from "fast-check"
import { afterAll, assert, describe, test } from "vitest"
import type { Json } from "../../domain/json.ts"
import { limitation } from "../support/need.ts"

/** Something that holds for every adapter of a port. */
export interface Law<Port> {
  readonly name: string
  readonly check: Effect.Effect<void, unknown, Port>
}

/** Laws that a server is not able to keep, by their names. */
export interface Except {
  readonly server: string
  /** What it cannot do, as in "FerretDB cannot …". */
  readonly cannot: Readonly<Record<string, string>>
}

/** One test for each law, all over one layer: real backends are shared, so no law may need an empty one. */
export const register = <Port>(
  title: string,
  laws: ReadonlyArray<Law<Port>>,
  layer: Layer.Layer<Port, unknown>,
  except?: Except
) =>
  describe(title, () => {
    const runtime = ManagedRuntime.make(layer)
    afterAll(() => runtime.dispose())
    for (const { name, check } of laws) test(name, options(name, except), () => runtime.runPromise(check))
  })

/** Ends a law that hangs. Some ask a thousand times, and a server beside other tests may be slow to answer. */
const lawMsMax = 300_000

const options = (law: string, except: Except | undefined) => ({
  timeout: lawMsMax,
  ...(except?.cannot[law] === undefined ? {} : limitation(except.server, except.cannot[law]))
})

/** A check on random values; one that fails is shrunk, and shown with the seed that makes it again. */
export const property = <A, Port>(
  values: fc.Arbitrary<A>,
  runs: number,
  check: (value: A) => Effect.Effect<void, unknown, Port>
): Effect.Effect<void, unknown, Port> =>
  Effect.flatMap(Effect.context<Port>(), (context) =>
    Effect.tryPromise((signal) =>
      fc.assert(
        fc.asyncProperty(values, (value) => {
          // Nobody waits for the outcome any more.
          fc.pre(!signal.aborted)
          return Effect.runPromiseWith(context)(check(value))
        }),
        { numRuns: runs, includeErrorInReport: true }
      )
    )
  )

/** A name that nobody else has, however many runs share the backend. */
export const fresh = (label: string): string => `${label}-${crypto.randomUUID()}`

/** Text that is the same for two things when a reader cannot tell them apart: -0 is 0, and keys have no order. */
export const shown = (value: unknown): string => {
  if (typeof value === "bigint") return `${value}n`
  if (value === undefined) return "undefined"
  if (typeof value !== "object" || value === null) return JSON.stringify(value as Json)
  if (Array.isArray(value)) return `[${value.map(shown).join(",")}]`
  const fields = value as Readonly<Record<string, unknown>>
  const present = Object.keys(fields).filter((key) => fields[key] !== undefined)
  return `{${present
    .sort()
    .map((key) => `${JSON.stringify(key)}:${shown(fields[key])}`)
    .join(",")}}`
}

/** Fails unless both are the same to a reader. */
export const same = (actual: unknown, expected: unknown, what: string): void => {
  const [is, should] = [shown(actual), shown(expected)]
  if (is === should) return
  // Whole megabytes in a report help nobody: the place where they part does.
  const at = [...is].findIndex((_, i) => is[i] !== should[i])
  const from = Math.max(0, (at < 0 ? is.length : at) - 120)
  assert.strictEqual(is.slice(from, from + 400), should.slice(from, from + 400), what)
}
