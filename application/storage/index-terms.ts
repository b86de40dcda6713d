import { isArray, type Json, type JsonObject } from "../../domain/json.ts"
import { indexTermsMax } from "../limits.ts"

/** Stands for all the terms that are too many. */
export const anyTerm = -1

/**
 * What an entity can be found by: a number for each scalar that a path leads to, as filters understand paths. Two pairs
 * of path and value may share a number, and what is found by it is looked at again.
 */
export const termsOf = (values: JsonObject): ReadonlyArray<number> => {
  const terms = new Set<number>()
  const walk = (value: Json, path: string): void => {
    for (const item of isArray(value as Json) ? (value as ReadonlyArray<Json>) : [value]) {
      if (terms.size > indexTermsMax) return
      if (item === null || typeof item !== "object") terms.add(numberOf(path, item))
      else if (!isArray(item)) for (const key of Object.keys(item)) walk(item[key]!, pathText(path, key))
    }
  }
  walk(values, "")
  return terms.size > indexTermsMax ? [...[...terms].slice(0, indexTermsMax), anyTerm] : [...terms]
}

/** The term of an entity that has this scalar there. */
export const termOf = (path: ReadonlyArray<string>, scalar: string | number | boolean | null): number =>
  numberOf(path.reduce(pathText, ""), scalar)

const pathText = (path: string, key: string): string => `${path}${JSON.stringify(key)}`

/** JSON tells "1" from 1, and 0 from nothing but -0, just as filters do. */
const numberOf = (path: string, scalar: string | number | boolean | null): number =>
  hashed(`${path}:${JSON.stringify(scalar)}`)

/** 53 bits, spread well (cyrb53), the same for ever. Nothing depends on nobody finding two texts with one number. */
export const hashed = (text: string): number => {
  let [high, low] = [0xdeadbeef, 0x41c6ce57]
  for (let at = 0; at < text.length; at++) {
    const unit = text.charCodeAt(at)
    high = Math.imul(high ^ unit, 2654435761)
    low = Math.imul(low ^ unit, 1597334677)
  }
  high = Math.imul(high ^ (high >>> 16), 2246822507) ^ Math.imul(low ^ (low >>> 13), 3266489909)
  low = Math.imul(low ^ (low >>> 16), 2246822507) ^ Math.imul(high ^ (high >>> 13), 3266489909)
  return 2 ** 32 * (2097151 & low) + (high >>> 0)
}
