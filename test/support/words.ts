// How the project names things and writes sentences, in the part that a machine can check; see "Words" in ARCHITECTURE.md.

import { lineAt, matches, type Source, withoutComments, withoutStrings } from "./source.ts"

export interface WordViolation {
  readonly where: string
  readonly fix: string
}

/** Names that were replaced, as regular expressions of whole identifiers, with the names to use. */
const replaced: ReadonlyArray<readonly [name: string, use: string]> = [
  ["Observer|Watcher|watchers", "Telemetry"],
  ["upkeep\\w*", "maintenance"],
  ["mend", "repair or fix"],
  ["Place|parsePlace", "FieldPath, LogPosition or StreamPosition"],
  ["Mark|marks|markBytes|placeBytes|marksOf", "StreamPosition, appliedHead or changeToken"],
  ["Flight|Unit|unitOf|draftUnit|unitsAtOnceMax|onUnitCommitted", "QueuedJob, InFlightBatch or Batch"],
  ["gotOnAt|isStuck|land|landed", "lastProgressAt, isStalled, complete"],
  ["doubt|doubts|doubted|wentBack|glanced", "suspect, onRewind, polled"],
  ["Watched|Delivery|deliveries", "StreamedDomain, StreamItem"],
  ["usual|usualMs", "ewma or averageCommitMs"],
  ["told|tells", "what happens, such as onBatchCommitted or lastSentCursor"],
  ["strangers", "orphans or unknownVariables"],
  ["Of|Found|Tried|Around|About|Kept|Told", "a noun for what the type holds"]
]

const names = new RegExp(`(?<![\\w$])(?:${replaced.map(([name]) => name).join("|")})(?![\\w$])`, "g")

const useOf = (name: string): string =>
  replaced.find(([pattern]) => new RegExp(`^(?:${pattern})$`).test(name))?.[1] ?? "another name"

const sentences: ReadonlyArray<readonly [pattern: RegExp, fix: string]> = [
  [
    /\bwhoever\b|(?:\/\/|\*|[.;:])\s+who(?: [\w']+){1,4} (?:is|are|was|has)\b/gi,
    "name the subject: the caller, the gateway, the stream"
  ],
  [/\b(?:is|are|was|were|been|be) told\b/gi, "say what happens: receives, gets, fails with"],
  [/\bas far as\b/gi, "say up to which point"],
  [/\b(?:get|gets|got|getting) on\b/gi, "makes progress, or continues"],
  [/\bwhat is no\b/gi, "name it"]
]

/**
 * Files that still hold such words. Delete a prefix when its files hold none; the rule then keeps them out.
 */
export const notYetPlain: ReadonlyArray<string> = [
  "adapters/policy/rego/",
  "adapters/storage/",
  "adapters/transport/call/",
  "adapters/transport/grpc/",
  "adapters/transport/listener/",
  "adapters/transport/ops/",
  "application/storage/",
  "bench/",
  "packages/http2/test/",
  "runtimes/",
  "test/adapters/",
  "test/application/storage/",
  "test/conformance/",
  "test/contract/",
  "test/e2e/",
  "test/runtimes/",
  "test/services/",
  "test/support/",
  "test/transport/",
  "tools/"
]

const isRead = ({ path }: Source) =>
  /\.(ts|mts|js|mjs|tsx)$/.test(path) && !/^(proto\/gen\/|test\/support\/words\.ts|test\/words\.test\.ts)/.test(path)

const commentsOf = (text: string): string => {
  const code = withoutComments(text)
  let comments = ""
  for (let i = 0; i < text.length; i++) comments += text[i] !== code[i] || text[i] === "\n" ? text[i] : " "
  return comments
}

const inFile = (file: Source): ReadonlyArray<WordViolation> => {
  const code = withoutStrings(withoutComments(file.text))
  const comments = commentsOf(file.text)
  return [
    ...matches(code, names).map(({ text, line }) => ({
      where: `${file.path}:${line}`,
      fix: `the name "${text}" was replaced: use ${useOf(text)}`
    })),
    ...sentences.flatMap(([pattern, fix]) =>
      [...comments.matchAll(pattern)].map((match) => ({
        where: `${file.path}:${lineAt(comments, match.index)}`,
        fix: `"${match[0]}" in a comment: ${fix}`
      }))
    )
  ]
}

/** Names and sentences that the project has replaced, in files that are not on the list. */
export const wordViolations = (files: ReadonlyArray<Source>, exempt = notYetPlain): ReadonlyArray<WordViolation> =>
  files.filter((file) => isRead(file) && !exempt.some((prefix) => file.path.startsWith(prefix))).flatMap(inFile)

const subjectCharsMax = 72

/** Commits after this one follow the rule for subjects. */
export const subjectsSince = "8bd9ee1"

/** The rule that the subject of a commit breaks, or undefined. */
export const subjectProblem = (subject: string): string | undefined => {
  if (subject.length > subjectCharsMax) return `is longer than ${subjectCharsMax} characters`
  const [, verb] = /^[a-z\d][a-z\d/.-]*: ([a-z]+)\b/.exec(subject) ?? []
  if (verb === undefined) return "is not of the form `area: verb object`"
  if (/(?:[^r]ing|[^e]ed)$/.test(verb)) return `does not begin with an imperative: "${verb}"`
  return subject.endsWith(".") ? "ends with a full stop" : undefined
}
