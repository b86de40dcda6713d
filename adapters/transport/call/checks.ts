import { idempotencyKeyBytesMax, violationsMax } from "../../../application/limits.ts"
import type { Precondition } from "../../../domain/command.ts"
import type { Ref } from "../../../domain/entity.ts"
import { type Glob, parseGlob } from "../../../domain/glob.ts"
import { exceedsBytes, type JsonObject, jsonProblem } from "../../../domain/json.ts"
import { globBytesMax } from "../../../domain/limits.ts"
import { eventIdProblem, globProblem, nameProblem } from "../../../domain/name.ts"
import type { Violation } from "../../../domain/rejection.ts"

/** Collects what is wrong with a message, so that the caller hears all of it at once. */
export class Checks {
  readonly violations: Array<Violation>
  readonly #path: string

  constructor(violations: Array<Violation> = [], path = "") {
    this.violations = violations
    this.#path = path
  }

  /** The same checks for a message within the message. */
  part(field: string): Checks {
    return new Checks(this.violations, `${this.#path}${field}.`)
  }

  add(field: string, rule: string | undefined): void {
    if (rule !== undefined && this.violations.length < violationsMax)
      this.violations.push({ field: this.#path + field, rule })
  }

  name(field: string, name: string): void {
    this.add(field, nameProblem(name))
  }

  ref({ domain, type, key }: Ref): Ref {
    this.name("domain", domain)
    this.name("type", type)
    this.name("key", key)
    return { domain, type, key }
  }

  eventId(field: string, id: string): string {
    this.add(field, eventIdProblem(id))
    return id.toLowerCase()
  }

  values(field: string, values: JsonObject | undefined): JsonObject {
    if (values === undefined) this.add(field, "is required")
    else {
      const problem = jsonProblem(values)
      if (problem !== undefined) this.add(problem.path === "" ? field : `${field}.${problem.path}`, problem.rule)
    }
    return values ?? {}
  }

  glob(field: string, text: string): Glob {
    if (text === "") this.add(field, "must not be empty; * matches everything")
    else if (exceedsBytes(text, globBytesMax)) this.add(field, `must be at most ${globBytesMax} bytes of UTF-8`)
    const parsed = parseGlob(text)
    if (text !== "" && !exceedsBytes(text, globBytesMax)) {
      this.add(field, parsed.ok ? globProblem(parsed.glob) : parsed.problem)
    }
    return parsed.ok ? parsed.glob : matchNothing
  }

  range(field: string, value: number, min: number, max: number): number {
    this.add(field, value < min || value > max ? `must be from ${min} to ${max}` : undefined)
    return value
  }

  notNegative(field: string, value: bigint): bigint {
    this.add(field, value < 0n ? "must not be negative" : undefined)
    return value
  }

  /** Fields that mean something elsewhere, and nothing here: ignoring them would be guessing. */
  absent(field: string, isSet: boolean, why: string): void {
    this.add(field, isSet ? why : undefined)
  }

  idempotencyKey(key: string | undefined): string | undefined {
    if (key === undefined) return undefined
    if (!/^[\x21-\x7e]+$/.test(key) || key.length > idempotencyKeyBytesMax) {
      this.add("idempotency-key", `must be 1 to ${idempotencyKeyBytesMax} visible ASCII characters`)
    }
    return key
  }
}

const literal = parseGlob("")
const matchNothing: Glob = literal.ok ? literal.glob : (undefined as never)

/** A request header or gRPC metadata by its name in lower case. */
export type Header = (name: string) => string | undefined

/**
 * The precondition of a change, from the version in the message and from `If-Match` and `If-None-Match`. A tag that is
 * no version matches nothing, as RFC 9110 has it, so the change is then a conflict.
 */
export const preconditionOf = (checks: Checks, version: bigint, header: Header): Precondition => {
  const match = header("if-match")
  const noneMatch = header("if-none-match")
  const inMessage: Precondition = version === 0n ? { _tag: "None" } : { _tag: "Versions", versions: [version] }
  if (match === undefined && noneMatch === undefined) return inMessage
  if (match !== undefined && noneMatch !== undefined) {
    checks.add("if-none-match", "must not come together with if-match")
  } else if (noneMatch !== undefined) {
    if (noneMatch.trim() !== "*") checks.add("if-none-match", "must be * on a change: create only")
    checks.absent("version", version !== 0n, "must not be set together with if-none-match")
    return { _tag: "Absent" }
  } else if (match!.trim() === "*") {
    return version === 0n ? { _tag: "Exists" } : inMessage
  } else {
    const versions = versionsIn(match!)
    const disagrees = version !== 0n && !versions.includes(version)
    checks.absent("version", disagrees, "must not differ from if-match")
    return version === 0n ? { _tag: "Versions", versions } : inMessage
  }
  return inMessage
}

/** The versions in a list of entity tags, weak ones included: proxies that compress weaken them. */
export const versionsIn = (tags: string): ReadonlyArray<bigint> =>
  tags.split(",").flatMap((tag) => {
    const [, digits] = /^\s*(?:W\/)?"([1-9]\d{0,19})"\s*$/.exec(tag) ?? []
    return digits === undefined ? [] : [BigInt(digits)]
  })
