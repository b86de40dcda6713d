import fc from "fast-check"
import { describe, expect, it } from "vitest"
import {
  canonicalText,
  exceedsBytes,
  type Json,
  type JsonObject,
  jsonParsed,
  jsonProblem,
  jsonText,
  utf8Bytes
} from "../../domain/json.ts"
import { valuesDepthMax } from "../../domain/limits.ts"

const json = fc.jsonValue({ maxDepth: 4 }) as fc.Arbitrary<Json>

/** The same value with the keys of every object in another order. */
const shuffled = (value: Json): Json => {
  if (value === null || typeof value !== "object") return value
  if (Array.isArray(value)) return value.map(shuffled)
  const entries = Object.entries(value as JsonObject).map(([key, item]) => [key, shuffled(item)] as const)
  return Object.fromEntries(entries.reverse())
}

describe("canonical text", () => {
  it("sorts keys at every depth, by code unit, and leaves arrays in order", () => {
    expect(canonicalText({ b: [2, 1, { d: 1, c: 2 }], a: "x", B: null })).toBe(
      '{"B":null,"a":"x","b":[2,1,{"c":2,"d":1}]}'
    )
    expect(canonicalText({ "10": 1, "9": 2 })).toBe('{"10":1,"9":2}')
    expect(canonicalText({ __proto__: null, é: true, e: -0 } as unknown as JsonObject)).toBe('{"e":0,"é":true}')
    expect(canonicalText(JSON.parse('{"b":1,"__proto__":{"y":1,"x":2}}'))).toBe('{"__proto__":{"x":2,"y":1},"b":1}')
  })

  it("is JSON of the same value, equal however its keys came in, and different for different values", () => {
    fc.assert(
      fc.property(json, json, (value, other) => {
        const text = canonicalText(value)
        expect(JSON.parse(text)).toEqual(JSON.parse(JSON.stringify(value)))
        expect(canonicalText(shuffled(value))).toBe(text)
        expect(canonicalText(JSON.parse(text))).toBe(text)
        if (canonicalText(other) === text) expect(JSON.parse(JSON.stringify(other))).toEqual(JSON.parse(text))
      })
    )
  })
})

describe("the text of an object", () => {
  it("is remembered with the object that was parsed from it, byte for byte, when it is long", () => {
    const text = `{ "a" : 1.0, "b": "${"x".repeat(2_000)}" }`
    expect(jsonText(jsonParsed(text))).toBe(text)
    expect(jsonText({ a: 1 })).toBe('{"a":1}')
  })

  it("is measured in bytes of UTF-8", () => {
    expect(["a", "é", "日", "😀"].map(utf8Bytes)).toEqual([1, 2, 3, 4])
    fc.assert(
      fc.property(fc.string({ unit: "grapheme" }), fc.nat({ max: 40 }), (text, max) => {
        expect(exceedsBytes(text, max)).toBe(new TextEncoder().encode(text).length > max)
      })
    )
    expect(exceedsBytes("é".repeat(5), 10)).toBe(false)
    expect(exceedsBytes("é".repeat(5), 9)).toBe(true)
  })
})

describe("what keeps values from being stored", () => {
  const nested = (depth: number, array: boolean): Json => {
    let value: Json = 1
    for (let i = 0; i < depth; i++) value = array ? [value] : { a: value }
    return value
  }

  it("is nothing, for what JSON can hold", () => {
    for (const value of [{}, { a: [1, "x", null, true, { b: -1.5e300 }] }, { "": "" }, { a: "😀" }]) {
      expect(jsonProblem(value)).toBeUndefined()
    }
    fc.assert(
      fc.property(fc.jsonValue({ stringUnit: "grapheme", maxDepth: 5 }), (value) => {
        const text = JSON.stringify(value)
        if (!text.includes("\\u0000")) expect(jsonProblem({ a: value as Json })).toBeUndefined()
      })
    )
  })

  it.each<[JsonObject, path: string, rule: RegExp]>([
    [{ a: Number.NaN }, "a", /^must not be NaN or Infinity$/],
    [{ a: [0, Number.NEGATIVE_INFINITY] }, "a[1]", /NaN or Infinity/],
    [{ o: {}, a: { b: [[], { c: 1 }, [Number.NaN]] } }, "a.b[2][0]", /NaN or Infinity/],
    [{ a: "x\u0000" }, "a", /U\+0000/],
    [{ a: ["\ud83d"] }, "a[0]", /lone surrogate/],
    [{ a: { "": { ["k".repeat(65)]: "\ud83d" } } }, `a."".${"k".repeat(64)}…`, /lone surrogate/],
    [{ a: { "\u0000": 1 } }, "a", /^must not have a key with U\+0000$/],
    [{ "a\ude00": 1 }, "", /^must have keys .* lone surrogate/],
    [{ "a\ude00": { b: "\u0000" } }, "", /lone surrogate/]
  ])("is found, and named by its path: %#", (value, path, rule) => {
    const problem = jsonProblem(value)
    expect(problem?.path).toBe(path)
    expect(problem?.rule).toMatch(rule)
  })

  it("is its depth, counted from the outermost object", () => {
    for (const array of [true, false]) {
      expect(jsonProblem({ a: nested(valuesDepthMax - 1, array) })).toBeUndefined()
      expect(jsonProblem({ a: nested(valuesDepthMax, array) })?.rule).toMatch(/deeper than 64/)
    }
  })

  it("is found in values that are deeper than any call stack", () => {
    for (const array of [true, false]) {
      expect(jsonProblem({ a: nested(1_000_000, array) })).toEqual({ path: "", rule: "must not nest deeper than 64" })
    }
  })
})
