import { isArray, RegoNumber, RegoObject, RegoSet, type Value } from "../values.ts"

/** What builtins know besides their arguments. */
export interface EvaluationContext {
  /** Nanoseconds since the epoch, the same throughout an evaluation. */
  readonly nowNs: () => bigint
}

/** A builtin that the gateway supplies. What it throws other than `Undefined` fails the evaluation. */
export type Builtin = (args: ReadonlyArray<Value>, context: EvaluationContext) => Value

/** Arguments that a builtin does not take: the expression is undefined, as with OPA. */
export class Undefined extends Error {}

export const undefinedFor = (why: string): never => {
  throw new Undefined(why)
}

export const stringOf = (value: Value | undefined): string =>
  typeof value === "string" ? value : undefinedFor("not a string")

export const arrayOf = (value: Value | undefined): ReadonlyArray<Value> =>
  value !== undefined && isArray(value) ? value : undefinedFor("not an array")

/** Integers of any size. */
export const integerOf = (value: Value | undefined): bigint => {
  if (typeof value === "number" && Number.isInteger(value)) return BigInt(value)
  if (value instanceof RegoNumber && /^-?\d+$/.test(value.text)) return BigInt(value.text)
  return undefinedFor("not an integer")
}

/** An integer as a value. */
export const integerValue = (integer: bigint): Value => {
  const double = Number(integer)
  return Number.isSafeInteger(double) ? double : new RegoNumber(String(integer))
}

/** The members of a string, an array of strings or a set of strings. */
export const stringsOf = (value: Value | undefined): ReadonlyArray<string> => {
  if (typeof value === "string") return [value]
  return (value instanceof RegoSet ? value.members : arrayOf(value)).map(stringOf)
}

/** A JSON value as one of Rego. */
export const fromJson = (json: unknown): Value => {
  if (Array.isArray(json)) return json.map(fromJson)
  if (typeof json !== "object" || json === null) return json as Value
  return new RegoObject(Object.entries(json).map(([key, value]) => [key, fromJson(value)]))
}
