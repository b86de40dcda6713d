// What `npm test` says at its end is what people and CI go by, so it is tested where it could say too little.

import { assert, describe, test } from "vitest"
import { checked, type Outcome, unavailable } from "../../tools/testing/outcome.ts"
import { type Plan, planFor, staticSteps } from "../../tools/testing/steps.ts"
import { summary } from "../../tools/testing/summary.ts"
import { named, outcome } from "../../tools/testing/vitest.ts"
import { limitation, need, program } from "../support/need.ts"

const step = (name: string, outcome: Outcome, milliseconds = 1000) => ({ name, outcome, milliseconds })
const lastLine = (text: string) => text.trimEnd().split("\n").at(-1)

describe("the summary", () => {
  test("ends with the count alone", () => {
    const { text, ok } = summary([step("types", checked(true)), step("lint", checked(true))], { ci: false })
    assert.isTrue(ok)
    assert.strictEqual(lastLine(text), "2 passed, 0 failed")
  })

  test("names what failed", () => {
    const { text, ok } = summary([step("types", checked(false))], { ci: true })
    assert.isFalse(ok)
    assert.include(text, "types: 1")
    assert.strictEqual(lastLine(text), "0 passed, 1 failed")
  })

  test("gives each skip with its reason, which is a failure in CI", () => {
    const steps = [step("types", checked(true)), step("Deno", unavailable({ what: "on Deno", why: "needs Deno" }))]
    const here = summary(steps, { ci: false })
    assert.isTrue(here.ok)
    assert.match(here.text, /on Deno\n\s+needs Deno\n/)
    assert.strictEqual(lastLine(here.text), "1 passed, 0 failed, 1 skipped")
    const there = summary(steps, { ci: true })
    assert.isFalse(there.ok)
    assert.include(there.text, "nothing may be skipped there")
    assert.strictEqual(lastLine(there.text), "1 passed, 0 failed, 1 skipped")
  })

  test("gives what a server cannot do, which is no failure, and hides no other skip", () => {
    const limited = { ...checked(true), skips: [{ what: "a law", why: "it cannot fly", isLimitation: true }] }
    const alone = summary([step("tests", limited)], { ci: true })
    assert.isTrue(alone.ok)
    assert.match(alone.text, /a law\n\s+it cannot fly\n/)
    assert.strictEqual(lastLine(alone.text), "1 passed, 0 failed, 1 skipped")
    const another = step("Deno", unavailable({ what: "on Deno", why: "needs Deno" }))
    assert.isFalse(summary([step("tests", limited), another], { ci: true }).ok)
  })

  test("has the slowest first", () => {
    const { text } = summary([step("quick", checked(true), 100), step("slow", checked(true), 9000)], { ci: false })
    assert.isBelow(text.indexOf("9.0 s  slow"), text.indexOf("0.1 s  quick"))
  })
})

describe("the plan", () => {
  const namesOf = (plan: Plan) => plan.map(([name]) => name)

  const withoutTests = [
    "format and lint",
    "types",
    "proto style",
    "proto keeps the 1.0 contract",
    "generated code is current"
  ]

  test("is everything without arguments, on every runtime", () => {
    assert.deepStrictEqual(namesOf(staticSteps), withoutTests)
    const tests = ["tests on Node", "core and transport on Bun", "domain and application on Deno"]
    assert.deepStrictEqual(namesOf(planFor([])), [...withoutTests, ...tests])
  })

  test("is only what the arguments name", () => {
    assert.deepStrictEqual(namesOf(planFor(["test/domain"])), ["tests on Node"])
  })

  test("fails where the arguments name no test", () => {
    const left = { what: "a law", why: "no reason given; declare what it needs with test/support/need.ts" }
    assert.deepInclude(named({ ...checked(true), passed: 0, skips: [left] }), { failed: 1, skips: [] })
    assert.deepInclude(named({ ...checked(true), skips: [left] }), { passed: 1, failed: 0, skips: [] })
  })
})

describe("a vitest report", () => {
  const file = (status: string, ...tests: ReadonlyArray<{ fullName: string; status: string; meta?: object }>) => ({
    name: "a.test.ts",
    status,
    startTime: 10,
    endTime: 30,
    assertionResults: tests
  })
  const count = (ok: boolean, ...testResults: ReadonlyArray<ReturnType<typeof file>>) => {
    const { passed, failed, skips } = outcome({ testResults }, { ok, runtime: "node" })
    return [passed, failed, skips.length]
  }

  test("is counted test by test", () => {
    const mixed = file("failed", { fullName: "a", status: "passed" }, { fullName: "b", status: "failed" })
    assert.deepStrictEqual(count(false, mixed, file("passed", { fullName: "c", status: "skipped" })), [1, 1, 1])
  })

  test("does not hide a file that broke before its tests, nor a run that failed otherwise, nor one that never was", () => {
    const green = file("passed", { fullName: "a", status: "passed" })
    assert.deepStrictEqual(count(false, green, file("failed")), [1, 1, 0])
    assert.deepStrictEqual(count(false, green), [1, 1, 0])
    assert.strictEqual(outcome(undefined, { ok: false, runtime: "bun" }).failed, 1)
  })

  test("carries the reason that a need gives", () => {
    const missing = need("a moon base", { enable: "fly there", found: program("no-such-program") })
    assert.isTrue(missing.options.skip)
    const report = { testResults: [file("passed", { fullName: "a", status: "skipped", meta: missing.options.meta })] }
    assert.strictEqual(
      outcome(report, { ok: true, runtime: "node" }).skips[0]?.why,
      "needs a moon base; to enable: fly there"
    )
    const limited = limitation("The moon", "fly")
    assert.isTrue(limited.skip)
    const limits = { testResults: [file("passed", { fullName: "a", status: "skipped", meta: limited.meta })] }
    const [skip] = outcome(limits, { ok: true, runtime: "node" }).skips
    assert.deepStrictEqual([skip?.why, skip?.isLimitation], ["The moon cannot fly", true])
    assert.isFalse(need("node", { enable: "", found: program("no-such-program", "node") }).options.skip)
  })
})
