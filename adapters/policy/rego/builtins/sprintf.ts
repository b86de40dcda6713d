import { isArray, RegoNumber, RegoObject, RegoSet, type Value } from "../values.ts"
import { arrayOf, type Builtin, stringOf } from "./builtin.ts"

/** The verbs of Go's fmt that policies use; another one fails the evaluation rather than giving another text than OPA. */
export const sprintf: Builtin = ([format, values]) => {
  const args = arrayOf(values)
  let next = 0
  const text = stringOf(format).replace(
    /%([-+ 0#]*)(\d*)(\.\d*)?(.?)/gsu,
    (whole, flags: string, width: string, precision: string | undefined, verb: string) => {
      if (verb === "%") return "%"
      if (verb === "") return "%!(NOVERB)"
      if (flags.includes("#") || flags.includes(" ")) throw new Error(`sprintf: ${whole} is not supported`)
      const value = args[next++]
      if (value === undefined) return `%!${verb}(MISSING)`
      return padded(formatted(verb, value, flags, precision?.slice(1), whole), flags, width, typeof value === "string")
    }
  )
  if (next >= args.length) return text
  return `${text}%!(EXTRA ${args
    .slice(next)
    .map((value) => `${kindOf(value)}=${plain(value)}`)
    .join(", ")})`
}

const formatted = (verb: string, value: Value, flags: string, precision: string | undefined, whole: string): string => {
  const integer = integerText(value)
  const sign = flags.includes("+") && !integer?.startsWith("-") ? "+" : ""
  if (verb === "v" && precision === undefined) return integer === undefined ? plain(value) : `${sign}${integer}`
  if (verb === "d" && integer !== undefined && precision === undefined) return `${sign}${integer}`
  if ((verb === "x" || verb === "X") && integer !== undefined && precision === undefined) {
    const digits = BigInt(integer).toString(16)
    return verb === "x" ? digits : digits.toUpperCase()
  }
  if (verb === "f" && typeof value === "number" && integer === undefined && Math.abs(value) < 1e21) {
    return `${flags.includes("+") && value >= 0 ? "+" : ""}${value.toFixed(Math.min(100, Number(precision ?? 6)))}`
  }
  const text = typeof value === "string" || integer === undefined ? plain(value) : undefined
  const isText = text !== undefined && !isNumber(value)
  if (verb === "s" && isText) return precision === undefined ? text : [...text].slice(0, Number(precision)).join("")
  if (verb === "q" && isText && /^[\x20-\x7e]*$/.test(text)) return JSON.stringify(text)
  if ("sdqtxXf".includes(verb) && (isText || verb !== "q")) return `%!${verb}(${kindOf(value)}=${plain(value)})`
  throw new Error(`sprintf: ${whole} is not supported`)
}

const padded = (text: string, flags: string, width: string, isText: boolean): string => {
  const missing = Number(width || 0) - [...text].length
  if (missing <= 0) return text
  if (missing > widthMax) throw new Error(`sprintf: the width ${width} is more than ${widthMax}`)
  if (flags.includes("-")) return text + " ".repeat(missing)
  if (!flags.includes("0") || isText) return " ".repeat(missing) + text
  const [, sign, digits] = /^([+-]?)(.*)$/s.exec(text)!
  return sign + "0".repeat(missing) + digits
}

const widthMax = 1_000

const isNumber = (value: Value): boolean => typeof value === "number" || value instanceof RegoNumber

const integerText = (value: Value): string | undefined => {
  const text = value instanceof RegoNumber ? value.text : typeof value === "number" ? String(value) : ""
  return /^-?\d+$/.test(text) ? text : undefined
}

const kindOf = (value: Value): string => {
  if (!isNumber(value)) return "string"
  const integer = integerText(value)
  return integer === undefined
    ? "float64"
    : BigInt.asIntN(64, BigInt(integer)) === BigInt(integer)
      ? "int64"
      : "*big.Int"
}

const plain = (value: Value): string => (typeof value === "string" ? value : termText(value))

/** As Rego writes values. */
const termText = (value: Value): string => {
  if (typeof value === "number") return goFloat(value)
  if (value instanceof RegoNumber) return value.text
  if (value instanceof RegoSet) {
    return value.members.length === 0
      ? "set()"
      : `{${inOrder(value.members, (member) => member)
          .map(termText)
          .join(", ")}}`
  }
  if (value instanceof RegoObject) {
    const entries = inOrder(value.entries, ([key]) => key)
    return `{${entries.map(([key, inner]) => `${termText(key)}: ${termText(inner)}`).join(", ")}}`
  }
  return isArray(value) ? `[${value.map(termText).join(", ")}]` : JSON.stringify(value)
}

/** As Rego sorts them: numbers, then texts by code point. */
const inOrder = <A>(items: ReadonlyArray<A>, valueIn: (item: A) => Value): ReadonlyArray<A> =>
  items.toSorted((first, second) => {
    const [a, b] = [valueIn(first), valueIn(second)]
    if (typeof a === "number" && typeof b === "number") return a - b
    if (typeof a === "string" && typeof b === "string") return Buffer.compare(Buffer.from(a), Buffer.from(b))
    if (typeof a === "number" && typeof b === "string") return -1
    if (typeof a === "string" && typeof b === "number") return 1
    throw new Error("sprintf: a set or an object with such members is not supported")
  })

/** Go has exponents of two digits, and below 0.0001. */
const goFloat = (value: number): string => {
  const magnitude = Math.abs(value)
  const text = magnitude !== 0 && magnitude < 1e-4 ? value.toExponential() : String(value)
  return text.replace(/e([+-])(\d)$/, "e$10$2")
}
