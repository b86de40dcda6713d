import { existsSync, globSync, mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join, relative } from "node:path"
import { isCi } from "./ci.ts"
import { type Outcome, type Skip, unavailable } from "./outcome.ts"
import { root, run } from "./run.ts"

const program = "node_modules/vitest/vitest.mjs"

const reasonless = "no reason given; declare what it needs with test/support/need.ts"

/** CI keeps all that is printed, and some keep little: what failed, and once a minute how far it has come. */
const inCi = ["--reporter=minimal", "--reporter=./tools/testing/progress.ts", "--silent=passed-only"]

/** Twice what the longest step takes on two cores. */
const ciSecondsMax = 3_600

const nothing: Outcome = { passed: 0, failed: 0, skips: [], files: [] }

/** The core has to be the same on every runtime, and what is below HTTP on Bun as well; the whole of test/ runs on Node. */
const core = ["test/domain", "test/application"]

export const onNode = async (args: ReadonlyArray<string>): Promise<Outcome> => {
  const all = await vitest("node", [process.execPath, program, "run", ...args])
  return args.length === 0 ? all : named(all)
}

/** What a filter leaves out, vitest calls skipped as well; a filter that leaves nothing is misspelt. */
export const named = (all: Outcome): Outcome => {
  const skips = all.skips.filter((skip) => skip.why !== reasonless)
  return { ...all, skips, failed: all.passed + all.failed + skips.length === 0 ? 1 : all.failed }
}

export const onBun = async (): Promise<Outcome> =>
  (await starts("bun"))
    ? // The default pool does not work on Bun.
      onCore("bun", ["bun", "--bun", program, "run", "--pool=threads"], [...core, "test/transport", "packages"])
    : unavailable({ what: "core and transport on Bun", why: "needs Bun; to enable: npm install bun" })

export const onDeno = async (): Promise<Outcome> => {
  const bundled = join(root, "node_modules", "@deno", "linux-x64-glibc", "deno")
  const deno = existsSync(bundled) ? bundled : "deno"
  return (await starts(deno))
    ? onCore("deno", [deno, "run", "-A", "--node-modules-dir=manual", program, "run"])
    : unavailable({ what: "domain and application on Deno", why: "needs Deno; to enable: put `deno` 2.9 on the PATH" })
}

const starts = async (command: string) => (await run(command, ["--version"], { quiet: true })) === 0

const onCore = async (
  runtime: string,
  command: ReadonlyArray<string>,
  wanted: ReadonlyArray<string> = core
): Promise<Outcome> => {
  const folders = wanted.filter((folder) => globSync(`${folder}/**/*.test.ts`, { cwd: root }).length > 0)
  // Without a folder vitest would run all of test/.
  return folders.length === 0 ? nothing : vitest(runtime, [...command, ...folders])
}

const vitest = async (runtime: string, [command = "", ...args]: ReadonlyArray<string>): Promise<Outcome> => {
  const folder = mkdtempSync(join(tmpdir(), "stategate-vitest-"))
  const file = join(folder, "report.json")
  try {
    const reporters = [...(isCi ? inCi : ["--reporter=default"]), "--reporter=json", `--outputFile.json=${file}`]
    const code = await run(command, [...args, ...reporters], {
      env: { EXPECTED_RUNTIME: runtime },
      ...(isCi ? { secondsMax: ciSecondsMax } : {})
    })
    const report: Report | undefined = existsSync(file) ? JSON.parse(readFileSync(file, "utf8")) : undefined
    return outcome(report, { ok: code === 0, runtime })
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** The part that is used of vitest's JSON report. */
export interface Report {
  readonly testResults: ReadonlyArray<{
    readonly name: string
    readonly status: string
    readonly startTime: number
    readonly endTime: number
    readonly assertionResults: ReadonlyArray<{
      readonly fullName: string
      readonly status: string
      readonly meta?: { readonly skipped?: string; readonly limitation?: string }
    }>
  }>
}

/** Counts tests. A file that broke before its tests ran, or a run that failed with all tests green, is one failure. */
export const outcome = (report: Report | undefined, { ok, runtime }: { ok: boolean; runtime: string }): Outcome => {
  const results = report?.testResults ?? []
  const tests = results.flatMap((file) => file.assertionResults.map((test) => ({ file: file.name, ...test })))
  const broken = results.filter(
    (file) => file.status === "failed" && !file.assertionResults.some((test) => test.status === "failed")
  )
  const failed = tests.filter((test) => test.status === "failed").length + broken.length
  const skips = tests
    .filter((test) => test.status !== "passed" && test.status !== "failed")
    .map(
      (test): Skip => ({
        what: `${relative(root, test.file)}: ${test.fullName}`,
        why: test.meta?.limitation ?? test.meta?.skipped ?? reasonless,
        isLimitation: test.meta?.limitation !== undefined
      })
    )
  return {
    passed: tests.filter((test) => test.status === "passed").length,
    failed: failed === 0 && !ok ? 1 : failed,
    skips,
    files: results.map((file) => ({
      name: `${relative(root, file.name)} (${runtime})`,
      milliseconds: file.endTime - file.startTime
    }))
  }
}
