// Style is a test: what a reviewer would have to say again and again is said here, with file, line and what to do.

import { execFileSync } from "node:child_process"
import { existsSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, test } from "vitest"
import type { Source } from "./support/source.ts"
import { type Rule, violations } from "./support/tidy.ts"
import { subjectProblem, subjectsSince, wordViolations } from "./support/words.ts"

const root = join(import.meta.dirname, "..")

/** Files that git tracks or would, so that a rule is heard before the commit rather than after. */
const repository = (): ReadonlyArray<Source> =>
  execFileSync("git", ["ls-files", "-z", "--cached", "--others", "--exclude-standard"], { cwd: root, encoding: "utf8" })
    .split("\0")
    .filter((path) => path !== "" && existsSync(join(root, path)))
    .map((path) => ({ path, text: readFileSync(join(root, path), "utf8") }))
    .filter(({ text }) => !text.includes("\0"))

test("the repository keeps its rules", () => {
  const found = violations(repository()).map(({ where, fix }) => `${where}  ${fix}`)
  assert.strictEqual(found.join("\n"), "")
})

/** Where each rule sees something wrong in a repository that is otherwise in order. */
const seen = (rule: Rule, ...files: ReadonlyArray<readonly [path: string, text: string]>): ReadonlyArray<string> =>
  violations([{ path: "LICENSE", text: "Apache License" }, ...files.map(([path, text]) => ({ path, text }))]).map(
    (violation) => (violation.rule === rule ? violation.where : `${violation.where} ${violation.rule}`)
  )

describe("imports", () => {
  const allowed: ReadonlyArray<readonly [from: string, to: string]> = [
    ["domain/a.ts", "./b.ts"],
    ["domain/query/a.ts", "../event.ts"],
    ["application/a.ts", "../domain/a.ts"],
    ["application/a.ts", "./ports/EventStore.ts"],
    ["application/a.ts", "effect"],
    ["application/a.ts", "effect/Stream"],
    ["adapters/storage/sqlite/a.ts", "../../../application/ports/EventStore.ts"],
    ["adapters/storage/sqlite/a.ts", "../shared.ts"],
    ["adapters/storage/sqlite/a.ts", "./b.ts"],
    ["adapters/storage/sqlite/a.ts", "node:sqlite"],
    ["adapters/transport/rest/a.ts", "../call/pipeline.ts"],
    ["adapters/transport/rest/a.ts", "../sse/a.ts"],
    ["adapters/transport/listener/a.ts", "../http/a.ts"],
    ["adapters/transport/http/a.ts", "../call/a.ts"],
    ["adapters/transport/rest/a.ts", "../../../proto/gen/stategate/stategate_pb.js"],
    ["runtimes/node.ts", "../adapters/storage/sqlite/layer.ts"],
    ["test/a.test.ts", "../runtimes/settings.ts"],
    ["packages/a/b.ts", "./c.ts"],
    ["packages/a/b.ts", "node:net"],
    ["packages/a/test/b.test.ts", "vitest"],
    ["packages/a/test/b.test.ts", "../c.ts"],
    ["tools/a.ts", "../runtimes/settings.ts"]
  ]
  const forbidden: ReadonlyArray<readonly [from: string, to: string]> = [
    ["domain/a.ts", "../application/a.ts"],
    ["domain/a.ts", "effect"],
    ["application/a.ts", "../adapters/storage/sqlite/a.ts"],
    ["application/a.ts", "../runtimes/settings.ts"],
    ["application/a.ts", "../proto/gen/stategate/stategate_pb.js"],
    ["application/a.ts", "effect/sql"],
    ["application/a.ts", "hono"],
    ["packages/a/b.ts", "../c/d.ts"],
    ["packages/a/b.ts", "../../application/limits.ts"],
    ["packages/a/b.ts", "effect"],
    ["packages/a/test/b.test.ts", "../../../test/support/need.ts"],
    ["adapters/storage/sqlite/a.ts", "../memory/a.ts"],
    ["adapters/storage/shared.ts", "./memory/a.ts"],
    ["adapters/storage/sqlite/a.ts", "../../channel/inmem/a.ts"],
    ["adapters/storage/sqlite/a.ts", "../../../runtimes/settings.ts"],
    ["adapters/storage/sqlite/a.ts", "../../../test/support/need.ts"],
    ["adapters/transport/sse/a.ts", "../rest/a.ts"],
    ["adapters/transport/connect/a.ts", "../grpc/a.ts"],
    ["adapters/transport/call/a.ts", "../http/a.ts"],
    ["adapters/transport/http/a.ts", "../listener/a.ts"],
    ["adapters/storage/sqlite/a.ts", "../../transport/call/a.ts"]
  ]
  const ways = [
    (to: string) => `import { a } from "${to}"`,
    (to: string) => `import type {\n  A,\n  B\n} from '${to}'`,
    (to: string) => `export * from "${to}"`,
    (to: string) => `import "${to}"`,
    (to: string) => `const a = await import("${to}")`
  ]

  test("that point the right way pass", () => {
    for (const [from, to] of allowed)
      for (const way of ways) assert.deepStrictEqual(seen("imports", [from, way(to)]), [], `${from} → ${to}`)
  })

  test("that point the wrong way are found, however they are written", () => {
    for (const [from, to] of forbidden)
      for (const way of ways)
        assert.deepStrictEqual(seen("imports", [from, `\n${way(to)}\n`]), [`${from}:2`], `${from} → ${to}`)
  })

  test("in comments are no imports", () => {
    assert.deepStrictEqual(seen("imports", ["domain/a.ts", '// import { a } from "effect"\n/* import "hono" */']), [])
  })
})

test("the platform stays out of the core", () => {
  for (const line of ['import { join } from "node:path"', "process.exit(1)", "Bun.file()", "globalThis.Deno.pid"]) {
    assert.deepStrictEqual(seen("platform", ["application/a.ts", `const a = 1\n${line}`]), ["application/a.ts:2"])
    assert.deepStrictEqual(seen("platform", ["adapters/storage/sqlite/a.ts", line], ["runtimes/node.ts", line]), [])
  }
  assert.deepStrictEqual(seen("platform", ["application/a.ts", '// process.exit\nconst a = "process.exit"']), [])
})

test("time, chance and output come from outside the core", () => {
  for (const line of ["Date.now()", "new Date(0)", "Math.random()", "console.log(1)"]) {
    assert.deepStrictEqual(seen("ambient", ["domain/a.ts", `\n\n${line}`]), ["domain/a.ts:3"])
    assert.deepStrictEqual(seen("ambient", ["adapters/storage/sqlite/a.ts", line]), [])
  }
})

test("only runtimes read the environment", () => {
  const path = "adapters/storage/sqlite/a.ts"
  for (const line of [
    "process.env.PATH",
    "`$" + "{process.env.PATH}`",
    "Deno.env.get()",
    "const { PATH } = process.env"
  ]) {
    assert.deepStrictEqual(seen("environment", [path, line]), [`${path}:1`])
    assert.deepStrictEqual(seen("environment", ["runtimes/node.ts", line], ["tools/a.ts", line]), [])
  }
})

test("fibers of their own are started in one way, in which no defect is lost", () => {
  for (const line of ["yield* Effect.forkScoped(loop)", "Effect.runFork(work)", "await Effect.runPromise(check)"]) {
    for (const path of ["application/a.ts", "adapters/transport/call/a.ts"])
      assert.deepStrictEqual(seen("fibers", [path, line]), [`${path}:1`])
    assert.deepStrictEqual(seen("fibers", ["application/background.ts", line], ["runtimes/gateway.ts", line]), [])
  }
  assert.deepStrictEqual(seen("fibers", ["adapters/a/b.ts", "const run = Effect.runForkWith(context)"]), [])
})

test("files are short, unless they were generated", () => {
  const long = "a()\n".repeat(301)
  assert.deepStrictEqual(seen("length", ["adapters/storage/sqlite/a.ts", long]), ["adapters/storage/sqlite/a.ts:301"])
  assert.deepStrictEqual(
    seen("length", ["domain/a.ts", long.slice(4)], ["proto/gen/a.js", long], ["README.md", long]),
    []
  )
})

test("names say what is inside", () => {
  for (const path of [
    "domain/utils.ts",
    "test/helpers/a.ts",
    "docs/common.md",
    "domain/SessionManager.ts",
    "a-util.ts"
  ])
    assert.deepStrictEqual(seen("names", [path, ""]), [`${path}:1`])
  assert.deepStrictEqual(seen("names", ["domain/commonwealth.ts", ""]), [])
})

test("every port has a contract", () => {
  const port = ["application/ports/Channel.ts", ""] as const
  assert.deepStrictEqual(seen("contracts", port), ["application/ports/Channel.ts:1"])
  assert.deepStrictEqual(seen("contracts", port, ["test/contract/Channel.ts", ""]), [])
})

test("there is a licence", () => {
  assert.deepStrictEqual(
    violations([]).map((violation) => violation.where),
    ["LICENSE:1"]
  )
})

test("no text names a path of one machine, but for samples in tests", () => {
  for (const line of [`see ${"/home"}/a/x`, '"/tmp/x"', `file://${"/root"}/x`]) {
    assert.deepStrictEqual(seen("paths", ["README.md", `\n${line}`]), ["README.md:2"])
    assert.deepStrictEqual(seen("paths", ["test/a.test.ts", line]), [])
  }
  assert.deepStrictEqual(seen("paths", ["README.md", "https://host/home/x, ./tmp/x and $PWD/tmp/x"]), [])
})

describe("words", () => {
  const seenIn = (path: string, text: string) => wordViolations([{ path, text }], []).map(({ where }) => where)

  test("that were replaced stay out, except in the folders on the list", () => {
    const found = wordViolations(repository()).map(({ where, fix }) => `${where}  ${fix}`)
    assert.strictEqual(found.join("\n"), "")
  })

  test("are checked as whole names, outside of comments and strings", () => {
    for (const line of ["const upkeep = 1", "class Flight {}", "f(told)", "const upkeepRetryMs = 1"])
      assert.deepStrictEqual(seenIn("domain/a.ts", `\n${line}`), ["domain/a.ts:2"], line)
    assert.deepStrictEqual(seenIn("domain/a.ts", 'const inFlight = "told" // a flight; unitOfWork'), [])
  })

  test("of comments are plain", () => {
    for (const comment of [
      "// The caller is told.",
      "/** Whoever reads it. */",
      "// Who waits is refused, and who is late, too.",
      "// As far as it goes.",
      "// Where nothing gets on.",
      "// Absent for what is no stream."
    ])
      assert.deepStrictEqual(seenIn("domain/a.ts", comment), ["domain/a.ts:1"], comment)
    assert.deepStrictEqual(seenIn("domain/a.ts", 'const a = "as far as" // How far it goes: who is it?'), [])
  })

  test("are not checked in folders on the list", () => {
    const file = { path: "tools/a.ts", text: "const upkeep = 1" }
    assert.deepStrictEqual(wordViolations([file], ["tools/"]), [])
    assert.lengthOf(wordViolations([file], ["test/"]), 1)
  })
})

describe("subjects of commits", () => {
  test("that break the rule are found", () => {
    const bad = [
      `area: ${"x".repeat(70)}`,
      "Fix a bug",
      "area: Fix it",
      "area: fixed it",
      "area: fixing it",
      "area: fix it."
    ]
    for (const subject of bad) assert.isDefined(subjectProblem(subject), subject)
    for (const subject of ["feed: bring it", "http2: feed it", "tests: say what fails", "a/b-c: fix it"])
      assert.isUndefined(subjectProblem(subject), subject)
  })

  test("are `area: verb object`", (context) => {
    const log = (() => {
      try {
        const options = { cwd: root, encoding: "utf8", maxBuffer: 16 * 1024 * 1024 } as const
        return execFileSync("git", ["log", "--no-merges", "--format=%h %s", `${subjectsSince}..HEAD`], options)
      } catch {
        return undefined
      }
    })()
    if (log === undefined) {
      const reason = `no git history since ${subjectsSince}: subjects of commits were not checked`
      process.stderr.write(`${reason}\n`)
      return context.skip(reason)
    }
    const wrong = log.split("\n").flatMap((line) => {
      const problem = line === "" ? undefined : subjectProblem(line.slice(line.indexOf(" ") + 1))
      return problem === undefined ? [] : [`${line}  ${problem}`]
    })
    assert.strictEqual(wrong.join("\n"), "")
  })
})
