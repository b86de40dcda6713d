// Every expression here is evaluated by OPA's own interpreter and by the compiled policy, builtins of ours included.

import { execFile } from "node:child_process"
import { join } from "node:path"
import { promisify } from "node:util"
import { beforeAll, describe, expect, it } from "vitest"
import { compile } from "../../adapters/policy/rego/compiler.ts"
import { PolicyInstance } from "../../adapters/policy/rego/instance.ts"
import { metered } from "../../adapters/policy/rego/metering.ts"
import { need, program } from "../support/need.ts"
import { compiledPolicies } from "../support/rego.ts"

const go = need("go", { enable: "https://go.dev/doc/install", found: program("go") })

const token = [{ alg: "none" }, { sub: "ä", n: 12 }].map((part) =>
  Buffer.from(JSON.stringify(part)).toString("base64url")
)

const expressions: ReadonlyArray<string> = [
  // Of OPA's Wasm: numbers, text, sets, regular expressions.
  "1 + 2 * 3 - 4 / 5",
  "9007199254740993 + 1",
  'split("a,b,c", ",")',
  'regex.match("^(a+)+$", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab")',
  'glob.match("*.example.com", ["."], "a.example.com")',
  'object.get({"a": {"b": 1}}, ["a", "b"], 0)',
  'net.cidr_contains("10.0.0.0/8", "10.1.2.3")',
  'json.unmarshal("{\\"a\\": [1, 2]}")',
  "{1, 2} & {2, 3}",
  'lower("ÄÖ") == "äö"',
  // Ours.
  'sprintf("%s is %d of %v, %q and %05d|%-4s|%4d|%x|%t%%", ["a", 1, [true, {"k": "v"}], "q", 42, "l", 7, 255, true])',
  'sprintf("%d %v", [12345678901234567890, 12345678901234567890])',
  'sprintf("%v %v %v %.2f", [0.5, 0.00001, 100000000000, 3.14159])',
  'sprintf("%d %s", ["text", 1])',
  'sprintf("%s", [])',
  'sprintf("none", [1, "a"])',
  'sprintf("%v %v", [{"b", "a"}, set()])',
  `io.jwt.decode("${token.join(".")}.c2ln")`,
  'io.jwt.decode("a.b")',
  'crypto.sha256("a")',
  'crypto.md5("a")',
  'crypto.sha1("ä")',
  'crypto.hmac.sha256("a", "key")',
  'crypto.hmac.sha512("a", "key")',
  'crypto.hmac.equal("a", "a")',
  'hex.encode("aä")',
  'hex.decode("61c3a4")',
  'hex.decode("6")',
  'base64url.encode_no_pad("a?>")',
  'urlquery.encode("a b&c=ä!\'()*~/")',
  'urlquery.decode("a+b%26")',
  'urlquery.decode("%zz")',
  'strings.any_prefix_match(["abc", "x"], {"ab", "q"})',
  'strings.any_suffix_match("abc", "bc")',
  'strings.any_prefix_match("abc", ["b"])',
  'strings.count("cheese", "e")',
  'strings.count("ab", "")',
  'indexof_n("sad äad", "ad")',
  'semver.is_valid("1.2.3-rc.1+b")',
  'semver.is_valid("1.2")',
  'semver.compare("1.10.0", "1.9.9")',
  'semver.compare("1.0.0-rc.1", "1.0.0")',
  'semver.compare("1.0.0-rc.2", "1.0.0-rc.10")',
  'semver.compare("1.0.0-a", "1.0.0-1")',
  'semver.compare("x", "1.0.0")',
  'time.parse_rfc3339_ns("2024-02-29T12:30:45.123456789+02:00")',
  'time.parse_rfc3339_ns("2023-02-29T12:30:45Z")',
  'time.parse_rfc3339_ns("2500-01-01T00:00:00Z")',
  'time.parse_duration_ns("1h30m0.5s")',
  'time.parse_duration_ns("-1.5ms")',
  'time.parse_duration_ns("1 h")',
  "time.date(1709202645123456789)",
  "time.clock(1709202645123456789)",
  "time.clock(-1)",
  'time.clock([1709202645123456789, "America/New_York"])',
  'time.date([1709202645123456789, "Nowhere/Land"])',
  "time.weekday(1709202645123456789)",
  "time.add_date(1709202645123456789, 1, 0, 1)",
  "time.now_ns() == time.now_ns()",
  "time.now_ns() > 1700000000000000000"
]

const source = (version: string) => `package stategate.authz
${version === "v1" ? "import rego.v1\n" : ""}
${expressions.map((expression, i) => `results["${i}"] := value ${version === "v1" ? "if " : ""}{ value := ${expression} }`).join("\n")}

allow = results
`

describe("evaluates as OPA does", go.options, () => {
  const reference = join(import.meta.dirname, "../../.cache/rego-reference")

  beforeAll(async () => {
    const folder = join(import.meta.dirname, "../../tools/rego-compiler")
    await promisify(execFile)("go", ["build", "-trimpath", "-o", reference, "./reference"], {
      cwd: folder,
      env: { ...process.env, CGO_ENABLED: "0" }
    })
  }, 1_200_000)

  for (const version of ["v0", "v1"] as const) {
    it(`in ${version}`, async () => {
      const wanted = {
        modules: [{ path: "a.rego", source: source(version) }],
        entrypoints: ["stategate/authz/allow"],
        version
      }
      const compiled = await compile(wanted, compiledPolicies)
      expect(compiled.problems).toEqual([])
      const module = new WebAssembly.Module(metered(Buffer.from(compiled.wasm!, "base64")))
      const instance = new PolicyInstance({ module, data: "{}", budgetMs: 10_000, memoryPagesMax: 256 })
      const child = promisify(execFile)(reference)
      child.child.stdin!.end(JSON.stringify([{ source: source(version), version, input: {} }]))
      const { stdout } = await child
      const theirs = JSON.parse(exact(stdout))[0].value
      const ours = JSON.parse(exact(instance.evaluate(0, "{}")))[0].result
      const pairs = (results: Record<string, unknown>) =>
        expressions.map((text, i) => [text, results[String(i)] ?? "undefined"])
      expect(pairs(ours)).toEqual(pairs(theirs))
    })
  }
})

/** Integers above 2^53 as text, so that they are compared to the last digit. */
const exact = (json: string): string => json.replace(/(?<=[[:,{ ])-?\d{16,}(?=[\],}\s])/g, (digits) => `"${digits}"`)
