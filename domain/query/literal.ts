import { duplicateKey } from "../json-read.ts"
import { quoted, Refusal, refuseText } from "./field-path.ts"
import { queryLimits } from "./tree.ts"

/** A number as it was written, so that 64-bit integers never pass through a double. */
export class Numeral {
  readonly source: string
  constructor(source: string) {
    this.source = source
  }
}

/** JSON with its numbers still as text. */
export type Literal = null | boolean | string | Numeral | readonly Literal[] | { readonly [key: string]: Literal }

export const isObject = (value: Literal): value is { readonly [key: string]: Literal } =>
  typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Numeral)

/** JSON text to a value, without recursion that its writer controls. */
export const parseLiteral = (text: string): Literal => {
  refuseDeep(text)
  const reviver = (key: string, value: unknown, context: { readonly source?: string }): unknown => {
    refuseText(key)
    if (typeof value === "string") refuseText(value)
    if (typeof value !== "number") return value
    if (context.source === undefined) throw new Error("this runtime's JSON.parse does not tell the source of a number")
    return new Numeral(context.source)
  }
  const literal = parse(text, reviver as (key: string, value: unknown) => unknown)
  // Only the last of them would count, and its writer meant all of them.
  const duplicate = duplicateKey(text)
  if (duplicate !== undefined) throw new Refusal(`the key ${quoted(duplicate)} is given twice; use $and for both`)
  return literal
}

const parse = (text: string, reviver: (key: string, value: unknown) => unknown): Literal => {
  try {
    return JSON.parse(text, reviver)
  } catch (error) {
    if (error instanceof SyntaxError) throw new Refusal("not valid JSON")
    throw error
  }
}

/** Counts brackets outside strings: JSON.parse and its reviver would run out of stack on a deep text. */
const refuseDeep = (text: string): void => {
  let depth = 0
  let inString = false
  for (let at = 0; at < text.length; at++) {
    const character = text[at]
    if (inString) {
      if (character === "\\") at++
      else if (character === '"') inString = false
    } else if (character === '"') inString = true
    else if (character === "{" || character === "[") {
      if (++depth > queryLimits.depth) throw new Refusal(`nested deeper than ${queryLimits.depth} levels`)
    } else if (character === "}" || character === "]") depth--
  }
}

/** The double that a numeral means; infinite if it is too large for one. */
export const toDouble = ({ source }: Numeral): number => Number(source)

/** The integer that a numeral or a decimal string means, exactly: `7`, `"7"` and `0.7e1` alike. Undefined if none. */
export const toInteger = (value: Literal): bigint | undefined => {
  const source = value instanceof Numeral ? value.source : value
  if (typeof source !== "string") return undefined
  if (/^-?\d+$/.test(source)) return BigInt(source)
  return value instanceof Numeral && Number.isFinite(toDouble(value)) ? shifted(value.source) : undefined
}

/** `1.5e3` is 15 and two zeros. The number fits into a double, so an exponent cannot ask for many. */
const shifted = (source: string): bigint | undefined => {
  const [, sign, whole, fraction = "", exponent = "0"] = /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/.exec(source)!
  const digits = `${whole}${fraction}`.replace(/^0+/, "")
  if (digits === "") return 0n
  const shift = Number(exponent) - fraction.length
  if (shift >= 0) return BigInt(`${sign}${digits}${"0".repeat(shift)}`)
  const kept = digits.slice(0, shift)
  return kept !== "" && /^0+$/.test(digits.slice(shift)) ? BigInt(`${sign}${kept}`) : undefined
}
