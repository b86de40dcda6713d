import { parseFieldPath, quoted, Refusal, refuseLong } from "./field-path.ts"
import { isObject, type Literal, Numeral, parseLiteral, toDouble, toInteger } from "./literal.ts"
import { type Comparison, type FieldPath, fields, type Operand, type Query, queryLimits, type Subject } from "./tree.ts"

export type ParsedQuery =
  | { readonly ok: true; readonly query: Query }
  | { readonly ok: false; readonly problem: string }

/** Parses a filter; an empty text passes every subject. Never throws: it answers a query or a problem for the caller. */
export const parseQuery = (text: string, subject: Subject): ParsedQuery => {
  if (text === "") return { ok: true, query: { kind: "and", of: [] } }
  try {
    refuseLong(text)
    const literal = parseLiteral(text)
    if (!isObject(literal)) throw new Refusal('a filter is a JSON object such as {"path": value}')
    const counts: ParseCounts = { subject, conditions: 0, keys: 0 }
    return { ok: true, query: filter(literal, counts) }
  } catch (error) {
    if (error instanceof Refusal) return { ok: false, problem: error.problem }
    throw error
  }
}

interface ParseCounts {
  readonly subject: Subject
  conditions: number
  keys: number
}

const count = (counts: ParseCounts, at?: FieldPath): void => {
  if (++counts.conditions > queryLimits.conditions) throw new Refusal(`more than ${queryLimits.conditions} conditions`)
  if (at?.kind === "json") counts.keys += at.path.length
  if (counts.keys > queryLimits.keys) throw new Refusal(`more than ${queryLimits.keys} keys in all paths together`)
}

const allOf = (of: readonly Query[]): Query => (of.length === 1 ? of[0]! : { kind: "and", of })

const not = (of: Query): Query => ({ kind: "not", of })

type Fields = { readonly [key: string]: Literal }

/** An object of paths and of `$and`, `$or`, `$not`: all must hold. */
const filter = (literal: Fields, counts: ParseCounts): Query => {
  const entries = Object.entries(literal)
  // Even empty filters cost time when there are thousands.
  if (entries.length === 0) count(counts)
  return allOf(
    entries.map(([key, value]) => {
      if (key === "$and" || key === "$or") {
        const of = filters(key, value).map((item) => filter(item, counts))
        return key === "$and" ? allOf(of) : { kind: "or", of }
      }
      if (key === "$not") {
        if (!isObject(value)) throw new Refusal("$not takes a filter")
        return not(filter(value, counts))
      }
      if (key.startsWith("$")) {
        if (Object.hasOwn(operators, key)) throw new Refusal(`${key} stands under a path: {"path": {"${key}": …}}`)
        throw new Refusal(`unknown operator ${quoted(key)}; use $and, $or, $not, or \\$ for a key that starts with $`)
      }
      return conditions(key, value, counts)
    })
  )
}

const filters = (key: string, value: Literal): readonly Fields[] => {
  if (!Array.isArray(value) || value.length === 0 || !value.every(isObject))
    throw new Refusal(`${key} takes a list of filters, at least one`)
  return value
}

/** The condition at a path: a value to equal, or operators that must all hold. */
const conditions = (path: string, value: Literal, counts: ParseCounts): Query => {
  const at = parseFieldPath(path, counts.subject)
  const name = quoted(path)
  if (!isObject(value)) {
    count(counts, at)
    return { kind: "equals", at, anyOf: [operand(at, value, name)] }
  }
  return tests({ at, name }, value, counts)
}

interface Target {
  readonly at: FieldPath
  /** The path as it was written, for messages. */
  readonly name: string
}

const tests = (target: Target, value: Fields, counts: ParseCounts): Query => {
  const { name } = target
  const keys = Object.keys(value)
  if (keys.length === 0) throw new Refusal(`${name}: an empty object says nothing; use {"$exists": true} or a value`)
  if (!keys.some((key) => key.startsWith("$")))
    throw new Refusal(
      `${name}: cannot equal an object; use a path for each of its keys, such as ${name}.${quoted(keys[0]!)}`
    )
  const plain = keys.find((key) => !key.startsWith("$"))
  if (plain !== undefined) throw new Refusal(`${name}: operators cannot be mixed with the key ${quoted(plain)}`)
  return allOf(
    Object.entries(value).map(([key, given]) => {
      if (key === "$not") {
        if (!isObject(given)) throw new Refusal(`${name}: $not takes an object of operators`)
        return not(tests(target, given, counts))
      }
      const operator = Object.hasOwn(operators, key) ? operators[key as keyof typeof operators] : undefined
      if (operator === undefined) {
        const known = [...Object.keys(operators), "$not"].join(", ")
        throw new Refusal(`${name}: unknown operator ${quoted(key)}; use ${known}`)
      }
      count(counts, target.at)
      return operator({ at: target.at, name: `${name}: ${key}` }, given)
    })
  )
}

type Operator = (target: Target, given: Literal) => Query

const equals: Operator = ({ at, name }, given) => ({ kind: "equals", at, anyOf: [operand(at, given, name)] })

const among: Operator = ({ at, name }, given) => {
  if (!Array.isArray(given)) throw new Refusal(`${name} takes a list of values`)
  if (given.length > queryLimits.listItems) throw new Refusal(`${name} takes at most ${queryLimits.listItems} values`)
  return { kind: "equals", at, anyOf: given.map((item: Literal) => operand(at, item, name)) }
}

const compares =
  (kind: Comparison): Operator =>
  ({ at, name }, given) => {
    const than = operand(at, given, name)
    if (than === null || typeof than === "boolean") throw new Refusal(`${name} takes a number or a string`)
    return { kind, at, than }
  }

const exists: Operator = ({ at, name }, given) => {
  if (typeof given !== "boolean") throw new Refusal(`${name} takes true or false`)
  return given ? { kind: "exists", at } : not({ kind: "exists", at })
}

const prefix: Operator = ({ at, name }, given) => {
  if (typeof given !== "string") throw new Refusal(`${name} takes a string`)
  if (at.kind === "field" && fields[at.field] !== "text") throw new Refusal(`${name} is for text`)
  return { kind: "prefix", at, prefix: given }
}

const operators = {
  $eq: equals,
  $ne: (target, given) => not(equals(target, given)),
  $gt: compares("gt"),
  $gte: compares("gte"),
  $lt: compares("lt"),
  $lte: compares("lte"),
  $in: among,
  $nin: (target, given) => not(among(target, given)),
  $exists: exists,
  $prefix: prefix
} as const satisfies Record<string, Operator>

/** A scalar of the type of the field; values and claims may hold any scalar. */
const operand = (at: FieldPath, given: Literal, name: string): Operand => {
  if (Array.isArray(given)) throw new Refusal(`${name}: cannot equal a list; use $in for any of several values`)
  if (isObject(given)) throw new Refusal(`${name}: takes a string, a number, true, false or null`)
  const scalar = given as null | boolean | string | Numeral
  if (at.kind === "json") {
    if (!(scalar instanceof Numeral)) return scalar
    const double = toDouble(scalar)
    if (!Number.isFinite(double)) throw new Refusal(`${name}: the number ${quoted(scalar.source)} is too large`)
    return double
  }
  switch (fields[at.field]) {
    case "integer": {
      const integer = toInteger(scalar)
      if (integer === undefined) throw new Refusal(`${name}: takes an integer, as a number or a decimal string`)
      return integer
    }
    case "boolean":
      if (typeof scalar !== "boolean") throw new Refusal(`${name}: takes true or false`)
      return scalar
    case "text":
      if (typeof scalar !== "string") throw new Refusal(`${name}: takes a string`)
      return scalar
  }
}
