// What the project checks, in the order in which it is said.

import { isCi } from "./ci.ts"
import { generatedIsCurrent } from "./generated.ts"
import { checked, type Outcome } from "./outcome.ts"
import { run } from "./run.ts"
import { type Step, summary } from "./summary.ts"
import { onBun, onDeno, onNode } from "./vitest.ts"

export type Plan = ReadonlyArray<readonly [name: string, execute: () => Promise<Outcome>]>

const succeeds =
  (command: string, ...args: ReadonlyArray<string>) =>
  async (): Promise<Outcome> =>
    checked((await run(command, args)) === 0)

/** What needs nothing to run: all of it in a quarter of a minute. */
export const staticSteps: Plan = [
  ["format and lint", succeeds("biome", "check", "--error-on-warnings", ".")],
  ["types", succeeds("tsc", "-p", ".")],
  ["proto style", succeeds("buf", "lint")],
  ["proto keeps the 1.0 contract", succeeds("buf", "breaking", "--against", "proto/contract-1.0.binpb")],
  ["generated code is current", generatedIsCurrent]
]

/** With arguments, which go to vitest, only what they name, and only on Node. */
export const planFor = (args: ReadonlyArray<string>): Plan => {
  const nodeStep = ["tests on Node", () => onNode(args)] as const
  if (args.length > 0) return [nodeStep]
  return [...staticSteps, nodeStep, ["core and transport on Bun", onBun], ["domain and application on Deno", onDeno]]
}

/** Takes one step after another, so that the output of each stays readable; all of them, also after one has failed. */
export const take = async (plan: Plan): Promise<void> => {
  const steps: Array<Step> = []
  for (const [name, execute] of plan) {
    process.stdout.write(`\n=== ${name}\n`)
    const start = performance.now()
    const outcome = await execute()
    steps.push({ name, outcome, milliseconds: performance.now() - start })
  }
  const { text, ok } = summary(steps, { ci: isCi })
  process.stdout.write(text)
  process.exitCode = ok ? 0 : 1
}
