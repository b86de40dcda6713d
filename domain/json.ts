import { type JsonFault, jsonPath } from "./json-path.ts"
import { valuesDepthMax } from "./limits.ts"

/** Values as JSON has them. Numbers are doubles; 64-bit integers never pass through here. */
export type Json = null | boolean | number | string | ReadonlyArray<Json> | JsonObject

export interface JsonObject {
  readonly [key: string]: Json
}

/** The least length of a JSON text, in characters, that is cached: shorter ones are faster to make than to look up. */
const cachedCharsMin = 1024

const texts = new WeakMap<JsonObject, string>()

/**
 * JSON text of an immutable object. Long texts are cached with the object, since one Set needs the text to check the size,
 * to store the event and to store the entity.
 */
export const jsonText = (value: JsonObject): string => {
  const known = texts.get(value)
  if (known !== undefined) return known
  const text = JSON.stringify(value)
  if (text.length >= cachedCharsMin) texts.set(value, text)
  return text
}

/** Parses a stored text. A long text is cached with the object, so that sending it needs no serialization. */
export const jsonParsed = (text: string): JsonObject => {
  const value = JSON.parse(text) as JsonObject
  if (text.length >= cachedCharsMin) texts.set(value, text)
  return value
}

const encoder = new TextEncoder()

/** Bytes of UTF-8 in a text. */
export const utf8Bytes = (text: string): number => encoder.encode(text).length

/** An upper bound of the bytes of UTF-8 in a text; exact for long texts. Counting many short texts would be slow. */
export const utf8BytesAtMost = (text: string): number => (text.length < 256 ? text.length * 3 : utf8Bytes(text))

/** Whether a text takes more than `max` bytes of UTF-8. The length alone decides in most cases. */
export const exceedsBytes = (text: string, max: number): boolean =>
  text.length > max || (text.length * 3 > max && utf8Bytes(text) > max)

/** JSON text with sorted keys: equal values give equal texts, whatever order their keys came in. */
export const canonicalText = (value: Json): string => {
  if (value === null || typeof value !== "object") return JSON.stringify(value)
  if (isArray(value)) return `[${value.map(canonicalText).join(",")}]`
  const entries = Object.keys(value).sort()
  return `{${entries.map((key) => `${JSON.stringify(key)}:${canonicalText(value[key]!)}`).join(",")}}`
}

// Memory of an object, a list, a key or an entry besides its content: 16 bytes or more on every runtime, twice on some.
const entryBytes = 32

/**
 * An estimate of the bytes that values take in memory as objects. The text alone says little: two characters can become
 * an object of many times their size.
 */
export const memoryBytes = (value: Json): number => {
  if (typeof value === "string") return entryBytes + value.length
  if (typeof value !== "object" || value === null) return entryBytes
  let bytes = entryBytes
  if (isArray(value)) for (const item of value) bytes += memoryBytes(item)
  else for (const key in value) bytes += entryBytes + memoryBytes(value[key]!)
  return bytes
}

/** `Array.isArray`, which does not narrow readonly arrays away. */
export const isArray = (value: Json): value is ReadonlyArray<Json> => Array.isArray(value)

const stringRule = (text: string): string | undefined => {
  if (!text.isWellFormed()) return "must be valid Unicode (it has a lone surrogate)"
  if (text.includes("\u0000")) return "must not hold U+0000"
  return undefined
}

/** The rule that a key breaks, if any. */
const keyRule = (key: string): string | undefined => {
  if (!key.isWellFormed()) return "must have keys of valid Unicode (one has a lone surrogate)"
  if (key.includes("\u0000")) return "must not have a key with U+0000"
  return undefined
}

/** An object or array whose entries are not checked yet. */
interface Pending {
  readonly value: ReadonlyArray<Json> | JsonObject
  readonly depth: number
  readonly parent: Pending | undefined
  /** Its key or index in the parent. */
  readonly step: string | number
}

/**
 * The first reason why a value cannot be stored, with its path. It needs no recursion: a hostile value may be nested
 * deeper than the call stack.
 */
export const jsonProblem = (root: JsonObject): JsonFault | undefined => {
  const pending: Array<Pending> = [{ value: root, depth: 1, parent: undefined, step: "" }]
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    const parent = next
    const depth = parent.depth + 1
    if (parent.depth > valuesDepthMax) return { path: "", rule: `must not nest deeper than ${valuesDepthMax}` }
    /** The rule that an entry breaks. The entries of objects and arrays are checked later. */
    const ruleOf = (value: Json, step: string | number): string | undefined => {
      if (typeof value === "string") return stringRule(value)
      if (typeof value === "number" && !Number.isFinite(value)) return "must not be NaN or Infinity"
      if (typeof value === "object" && value !== null) pending.push({ value, depth, parent, step })
      return undefined
    }
    const { value } = parent
    if (isArray(value)) {
      for (const [index, item] of value.entries()) {
        const rule = ruleOf(item, index)
        if (rule !== undefined) return { path: pathOf(parent, index), rule }
      }
    } else {
      for (const key of Object.keys(value)) {
        const broken = keyRule(key)
        if (broken !== undefined) return { path: pathOf(parent), rule: broken }
        const rule = ruleOf(value[key]!, key)
        if (rule !== undefined) return { path: pathOf(parent, key), rule }
      }
    }
  }
  return undefined
}

const pathOf = (parent: Pending, ...last: ReadonlyArray<string | number>): string => {
  const steps = [...last]
  for (let at: Pending | undefined = parent; at?.parent !== undefined; at = at.parent) steps.unshift(at.step)
  return jsonPath(steps)
}
