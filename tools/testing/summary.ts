import type { Outcome } from "./outcome.ts"

export interface Step {
  readonly name: string
  readonly outcome: Outcome
  readonly milliseconds: number
}

/** The end of `npm test`: what was skipped and why, what took long, what failed, and the count on the last line. */
export const summary = (steps: ReadonlyArray<Step>, { ci }: { ci: boolean }): { text: string; ok: boolean } => {
  const outcomes = steps.map((step) => step.outcome)
  const skips = outcomes.flatMap((outcome) => outcome.skips)
  const passed = sum(outcomes.map((outcome) => outcome.passed))
  const failed = sum(outcomes.map((outcome) => outcome.failed))
  const red = steps.filter((step) => step.outcome.failed > 0)
  const avoidable = skips.filter((skip) => !skip.isLimitation)
  const refused = ci && avoidable.length > 0
  const lines = [
    ...titled(
      "Skipped",
      skips.map((skip) => `${skip.what}\n      ${skip.why}`)
    ),
    ...titled("Slowest steps", slowest(steps, steps.length)),
    ...titled(
      "Slowest test files",
      slowest(
        outcomes.flatMap((outcome) => outcome.files),
        10
      )
    ),
    ...titled(
      "Failed",
      red.map((step) => `${step.name}: ${step.outcome.failed}`)
    ),
    ...(refused ? ["", `CI is set: nothing may be skipped there that could run, and ${avoidable.length} were.`] : []),
    "",
    `${passed} passed, ${failed} failed${skips.length > 0 ? `, ${skips.length} skipped` : ""}`
  ]
  return { text: `${lines.join("\n")}\n`, ok: failed === 0 && !refused }
}

const titled = (title: string, lines: ReadonlyArray<string>) =>
  lines.length === 0 ? [] : ["", `${title}:`, ...lines.map((line) => `  ${line}`)]

const slowest = (timed: ReadonlyArray<{ name: string; milliseconds: number }>, count: number) =>
  timed
    .toSorted((a, b) => b.milliseconds - a.milliseconds)
    .slice(0, count)
    .map(({ name, milliseconds }) => `${(milliseconds / 1000).toFixed(1).padStart(7)} s  ${name}`)

const sum = (numbers: ReadonlyArray<number>) => numbers.reduce((total, n) => total + n, 0)
