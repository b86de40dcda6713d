// The rules of the house, as a function over files: test/tidy.test.ts applies it to the repository and shows, for every
// rule, a sample that breaks it.

import { importsOf, lineAt, matches, type Source, withoutComments, withoutStrings } from "./source.ts"

export interface Violation {
  readonly rule: Rule
  /** `path:line`, as editors and terminals understand it. */
  readonly where: string
  readonly fix: string
}

export type Rule =
  | "imports"
  | "platform"
  | "ambient"
  | "environment"
  | "fibers"
  | "length"
  | "names"
  | "contracts"
  | "licence"
  | "paths"

const linesMax = 300

/** Everything that is wrong with a repository made of these files. */
export const violations = (files: ReadonlyArray<Source>): ReadonlyArray<Violation> => [
  ...files.filter(isWritten).flatMap((file) => [...imports(file), ...code(file), ...length(file)]),
  ...files.flatMap((file) => [...names(file), ...machinePaths(file)]),
  ...contracts(files),
  ...licence(files)
]

const isWritten = ({ path }: Source) => /\.(ts|mts|js|mjs|tsx)$/.test(path) && !path.startsWith("proto/gen/")

const layerOf = (path: string) => (path.includes("/") ? path.slice(0, path.indexOf("/")) : "")

/** The code of the product, as opposed to what builds and tests it. */
const layers = new Set(["domain", "application", "adapters", "runtimes"])

const imports = (file: Source): ReadonlyArray<Violation> =>
  importsOf(file).flatMap(({ target, line }) => {
    const fix = forbidden(file.path, target)
    return fix === undefined ? [] : [{ rule: "imports" as const, where: `${file.path}:${line}`, fix }]
  })

/** Why a file may not import a target (a path of the repository, or a package), if it may not. */
const forbidden = (from: string, target: { readonly path: string } | { readonly package: string }) => {
  const layer = layerOf(from)
  if (layer === "domain") {
    if ("path" in target && layerOf(target.path) === "domain") return undefined
    return "domain/ imports nothing outside domain/: pass what it needs as an argument"
  }
  if (layer === "application") {
    if ("package" in target) {
      // Stable modules have capital letters; effect/sql, effect/http and the like may change with any release.
      return /^(node:|effect$|effect\/[A-Z]\w*$)/.test(target.package)
        ? undefined
        : "application/ uses no package but stable effect: put a port in between, and an adapter behind it"
    }
    if (["domain", "application"].includes(layerOf(target.path))) return undefined
    return "application/ imports domain/ and application/ alone: put a port in between"
  }
  if (layer === "packages") {
    if ("path" in target && isSamePackage(from, target.path)) return undefined
    if ("package" in target && (target.package.startsWith("node:") || from.includes("/test/"))) return undefined
    return "a package under packages/ imports node: and its own files alone: it stands without the rest"
  }
  if (layer === "adapters" && "path" in target) return forbiddenToAdapter(from, target.path)
  if ((layer === "proto" || layer === "") && "path" in target && layers.has(layerOf(target.path)))
    return "imports point from runtimes/ towards domain/; this file is below both"
  return undefined
}

const isSamePackage = (from: string, target: string) =>
  from.split("/").slice(0, 2).join("/") === target.split("/").slice(0, 2).join("/")

/** What the folders of the transport may import of each other. */
const belowProtocols: Readonly<Record<string, ReadonlyArray<string>>> = {
  http: ["call"],
  listener: ["call", "http"],
  grpc: ["call"],
  connect: ["call", "http"],
  sse: ["call"],
  rest: ["call", "http", "sse"],
  page: ["http"],
  // Health and reflection are calls of gRPC.
  ops: ["call", "http", "grpc", "connect"]
}

const forbiddenToAdapter = (from: string, target: string) => {
  if (["domain", "application", "proto"].includes(layerOf(target))) return undefined
  if (layerOf(target) !== "adapters")
    return "adapters/ import domain/, application/, proto/ and libraries: move it there"
  const [, port, tech] = from.split("/")
  const [, targetPort, targetTech, ...inside] = target.split("/")
  const shared = targetPort === port && inside.length === 0
  const own = targetPort === port && targetTech === tech
  const below = port === targetPort && port === "transport" && belowProtocols[tech ?? ""]?.includes(targetTech ?? "")
  if (shared || own || below) return undefined
  return port === "transport" && targetPort === "transport"
    ? "protocols share adapters/transport/call, and http where they speak it: move it there, or join them in runtimes/"
    : "adapters never import one another: what a port's adapters share lies beside their folders, or in application/"
}

interface CodeRule {
  readonly rule: Rule
  readonly where: (path: string) => boolean
  readonly pattern: RegExp
  readonly fix: string
}

const isCore = (path: string) => ["domain", "application"].includes(layerOf(path))

const codeRules: ReadonlyArray<CodeRule> = [
  {
    rule: "platform",
    where: (path) => isCore(path),
    pattern: /(?:(?<![\w$.])|globalThis\.)(?:process|Bun|Deno)\s*[.[]|["']node:/g,
    fix: "the core runs anywhere: web standards only; node:, process, Bun and Deno belong in adapters/ or runtimes/"
  },
  {
    rule: "ambient",
    where: (path) => isCore(path),
    pattern: /\bDate\.now\b|\bnew Date\b|\bMath\.random\b|(?<![\w$.])console\./g,
    fix: "time, chance and output come from outside: take them as arguments, or from Clock, Random and a port"
  },
  {
    rule: "environment",
    where: (path) => isCore(path) || layerOf(path) === "adapters",
    pattern: /\b(?:process|Bun|Deno)\s*\.\s*env\b/g,
    fix: "only runtimes/ read the environment: take a setting as an argument, from runtimes/settings.ts"
  },
  {
    rule: "fibers",
    where: (path) => (isCore(path) || layerOf(path) === "adapters") && path !== "application/background.ts",
    pattern: /\bEffect\.(?:fork\w*|run(?:Fork|Promise|PromiseExit|Sync|SyncExit|Callback))\b(?!With)/g,
    fix: "a fiber of its own loses its defects: start it with application/background.ts, or in the program's context"
  }
]

const code = (file: Source): ReadonlyArray<Violation> => {
  const rules = codeRules.filter((rule) => rule.where(file.path))
  if (rules.length === 0) return []
  const plain = withoutComments(file.text)
  const bare = withoutStrings(plain)
  return rules.flatMap(({ rule, pattern, fix }) => {
    // A text may speak of process.env, but a module's name is a text too.
    const found = [
      ...matches(bare, pattern),
      ...matches(plain, pattern).filter((match) => match.text.includes("node:"))
    ]
    return found.map((match) => ({ rule, where: `${file.path}:${match.line}`, fix }))
  })
}

const length = ({ path, text }: Source): ReadonlyArray<Violation> => {
  const lines = text.replace(/\n$/, "").split("\n").length
  if (lines <= linesMax) return []
  return [
    { rule: "length", where: `${path}:${linesMax + 1}`, fix: `${lines} lines; split it by idea (at most ${linesMax})` }
  ]
}

const names = ({ path }: Source): ReadonlyArray<Violation> => {
  const words = path.split(/[/._-]|(?<=[a-z\d])(?=[A-Z])/).map((word) => word.toLowerCase())
  const banned = words.find((word) => /^(utils?|helpers?|common|managers?)$/.test(word))
  if (banned === undefined) return []
  return [{ rule: "names", where: `${path}:1`, fix: `"${banned}" says nothing: name it after what it holds` }]
}

const contracts = (files: ReadonlyArray<Source>): ReadonlyArray<Violation> => {
  const paths = new Set(files.map((file) => file.path))
  return [...paths].flatMap((path) => {
    const [, port] = /^application\/ports\/([^/]+)\.ts$/.exec(path) ?? []
    const contract = `test/contract/${port}.ts`
    if (port === undefined || paths.has(contract)) return []
    return [{ rule: "contracts" as const, where: `${path}:1`, fix: `write ${contract}, and run it on every adapter` }]
  })
}

const licence = (files: ReadonlyArray<Source>): ReadonlyArray<Violation> =>
  files.some(({ path, text }) => path === "LICENSE" && text.includes("Apache License"))
    ? []
    : [{ rule: "licence", where: "LICENSE:1", fix: "the text of the Apache License 2.0 belongs here" }]

const machinePaths = ({ path, text }: Source): ReadonlyArray<Violation> =>
  layerOf(path) === "test"
    ? []
    : [...text.matchAll(/(?<![\w.$})*-])\/(?:root|home|tmp|Users)\/(?=[\w.$])/g)].map((match) => ({
        rule: "paths" as const,
        where: `${path}:${lineAt(text, match.index)}`,
        fix: "a path of one machine: make it relative, or ask the system (os.tmpdir(), os.homedir())"
      }))
