// Everything `npm test` checks, one step after another so that the output of each stays readable. All steps run, also
// after one has failed. Arguments go to vitest on Node: `npm test -- test/domain -t glob`.

import { isCi } from "./testing/ci.ts"
import { generatedIsCurrent } from "./testing/generated.ts"
import { checked, type Outcome } from "./testing/outcome.ts"
import { run } from "./testing/run.ts"
import { type Step, summary } from "./testing/summary.ts"
import { onBun, onDeno, onNode } from "./testing/vitest.ts"

const succeeds =
  (command: string, ...args: ReadonlyArray<string>) =>
  async (): Promise<Outcome> =>
    checked((await run(command, args)) === 0)

const plan: ReadonlyArray<readonly [name: string, execute: () => Promise<Outcome>]> = [
  ["format and lint", succeeds("biome", "check", "--error-on-warnings", ".")],
  ["types", succeeds("tsc", "-p", ".")],
  ["proto style", succeeds("buf", "lint")],
  ["proto keeps the 1.0 contract", succeeds("buf", "breaking", "--against", "proto/contract-1.0.binpb")],
  ["generated code is current", generatedIsCurrent],
  ["tests on Node", () => onNode(process.argv.slice(2))],
  ["core and transport on Bun", onBun],
  ["domain and application on Deno", onDeno]
]

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
