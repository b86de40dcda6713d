import type { Json } from "./json.ts"
import { type JsonFault, jsonPath } from "./json-path.ts"

/** The value of a JSON text, or the reason why it is refused; `path` is empty for the whole text. */
export type JsonRead =
  | { readonly ok: true; readonly value: Json }
  | { readonly ok: false; readonly path: string; readonly rule: string }

/**
 * Parses JSON as `JSON.parse` does, but refuses objects with a duplicate key, and texts with more than `valuesMax` keys and
 * values, since these take far more memory than the text.
 */
export const readJson = (text: string, valuesMax: number): JsonRead => {
  const fault = jsonFault(text, valuesMax)
  if (fault?.path === "") return { ok: false, ...fault }
  let value: Json
  try {
    value = JSON.parse(text) as Json
  } catch {
    return { ok: false, path: "", rule: "must be valid JSON" }
  }
  return fault === undefined ? { ok: true, value } : { ok: false, ...fault }
}

/** The rule that a JSON text breaks although `JSON.parse` accepts it. The result for invalid JSON is unspecified. */
export const jsonFault = (text: string, valuesMax: number): JsonFault | undefined => {
  const { count, duplicate } = scan(text, valuesMax)
  if (count > valuesMax) return { path: "", rule: `must not hold more than ${valuesMax} keys and values` }
  return duplicate === undefined ? undefined : { path: duplicate, rule: "must not be given twice" }
}

/** The path of the first key that an object of this valid JSON text has twice. */
export const duplicateKey = (text: string): string | undefined => scan(text, Number.POSITIVE_INFINITY).duplicate

const quote = 0x22
const comma = 0x2c
const colon = 0x3a
const openArray = 0x5b
const backslash = 0x5c
const closeArray = 0x5d
const openObject = 0x7b
const closeObject = 0x7d

/** An object or array that is open at this point of the text. */
interface Level {
  /** Undefined in an array. */
  readonly keys: Set<string> | undefined
  /** The entry that is being read. */
  key: string
  index: number
}

interface ScanResult {
  count: number
  duplicate: string | undefined
}

/**
 * One pass over a text, valid JSON or not; stops at the limit. It needs no recursion: the text may nest deeper than the
 * call stack.
 */
const scan = (text: string, valuesMax: number): ScanResult => {
  const found: ScanResult = { count: 1, duplicate: undefined }
  const levels: Array<Level> = []
  let level: Level | undefined
  let isKeyNext = false
  for (let at = 0; at < text.length && found.count <= valuesMax; at++) {
    const code = text.charCodeAt(at)
    if (code === quote) {
      const end = endOfString(text, at)
      if (isKeyNext && level?.keys !== undefined) {
        level.key = unescaped(text.slice(at + 1, end))
        if (level.keys.has(level.key)) found.duplicate ??= pathOf(levels)
        level.keys.add(level.key)
        isKeyNext = false
      }
      at = end
    } else if (code === openObject || code === openArray) {
      isKeyNext = code === openObject
      level = { keys: isKeyNext ? new Set() : undefined, key: "", index: 0 }
      levels.push(level)
      found.count++
    } else if (code === closeObject || code === closeArray) {
      levels.pop()
      level = levels.at(-1)
    } else if (code === comma) {
      isKeyNext = level?.keys !== undefined
      if (level !== undefined) level.index++
      found.count++
    } else if (code === colon) found.count++
  }
  return found
}

/** The index of the quote that ends a string, or the end of the text. */
const endOfString = (text: string, start: number): number => {
  for (let at = text.indexOf('"', start + 1); at >= 0; at = text.indexOf('"', at + 1)) {
    let before = at - 1
    while (before > start && text.charCodeAt(before) === backslash) before--
    // Backslashes escape one another in pairs; one that is left over escapes the quote.
    if ((at - before) % 2 === 1) return at
  }
  return text.length
}

/** `"a"` and `"\u0061"` are one key. */
const unescaped = (raw: string): string => {
  if (!raw.includes("\\")) return raw
  try {
    return JSON.parse(`"${raw}"`) as string
  } catch {
    return raw
  }
}

const pathOf = (levels: ReadonlyArray<Level>): string =>
  jsonPath(levels.map(({ keys, key, index }) => (keys === undefined ? index : key)))
