import { type JsonFault, jsonPath } from "./json-path.ts"
import { valuesDepthMax } from "./limits.ts"

/** Values as JSON has them. Numbers are doubles; 64-bit integers never pass through here. */
export type Json = null | boolean | number | string | ReadonlyArray<Json> | JsonObject

export interface JsonObject {
  readonly [key: string]: Json
}

/** Characters of JSON text from which on it is worth remembering: making a shorter one anew costs less than looking it up. */
const rememberedFrom = 1024

const texts = new WeakMap<JsonObject, string>()

/**
 * JSON text of an object that is never changed again. A long one is remembered with the object, since one Set needs it
 * to check the size, to store the event and to store the entity.
 */
export const jsonText = (value: JsonObject): string => {
  const known = texts.get(value)
  if (known !== undefined) return known
  const text = JSON.stringify(value)
  if (text.length >= rememberedFrom) texts.set(value, text)
  return text
}

/** The object that a stored text stands for; a long text is remembered, so that passing it on costs nothing. */
export const jsonParsed = (text: string): JsonObject => {
  const value = JSON.parse(text) as JsonObject
  if (text.length >= rememberedFrom) texts.set(value, text)
  return value
}

const encoder = new TextEncoder()

/** Bytes of UTF-8 in a text. */
export const utf8Bytes = (text: string): number => encoder.encode(text).length

/** Not less than the bytes of UTF-8 in a text, and exact for any but short ones: counting is dear where many are short. */
export const utf8BytesAtMost = (text: string): number => (text.length < 256 ? text.length * 3 : utf8Bytes(text))

/** Whether a text takes more than `max` bytes of UTF-8, mostly told from its length alone. */
export const exceedsBytes = (text: string, max: number): boolean =>
  text.length > max || (text.length * 3 > max && utf8Bytes(text) > max)

/** JSON text with sorted keys: equal values give equal texts, whatever order their keys came in. */
export const canonicalText = (value: Json): string => {
  if (value === null || typeof value !== "object") return JSON.stringify(value)
  if (isArray(value)) return `[${value.map(canonicalText).join(",")}]`
  const entries = Object.keys(value).sort()
  return `{${entries.map((key) => `${JSON.stringify(key)}:${canonicalText(value[key]!)}`).join(",")}}`
}

// What an object, a list, a key or an entry takes beside what is in it: 16 bytes or more on every runtime, some double.
const entryBytes = 32

/**
 * About the bytes that checked values take in memory, their text not included. The text alone says little: an entry of
 * two characters becomes an object of many times as much.
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

/** The rule that an object breaks by one of its keys. */
const keyRule = (key: string): string | undefined => {
  if (!key.isWellFormed()) return "must have keys of valid Unicode (one has a lone surrogate)"
  if (key.includes("\u0000")) return "must not have a key with U+0000"
  return undefined
}

/** An object or array whose entries are still to be looked at. */
interface Pending {
  readonly value: ReadonlyArray<Json> | JsonObject
  readonly depth: number
  readonly parent: Pending | undefined
  /** Its key or index in the parent. */
  readonly step: string | number
}

/**
 * What keeps a value from being stored, and where, or undefined. Walks with a stack of its own: a hostile value may be
 * nested deeper than the call stack is.
 */
export const jsonProblem = (root: JsonObject): JsonFault | undefined => {
  const pending: Array<Pending> = [{ value: root, depth: 1, parent: undefined, step: "" }]
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    const parent = next
    const depth = parent.depth + 1
    if (parent.depth > valuesDepthMax) return { path: "", rule: `must not nest deeper than ${valuesDepthMax}` }
    /** The rule that an entry breaks; of an object or array, what is in it comes later. */
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
