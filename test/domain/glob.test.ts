import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { type Glob, literalGlob, matches, parseGlob } from "../../domain/glob.ts"

const glob = (text: string): Glob => {
  const parsed = parseGlob(text)
  if (!parsed.ok) throw new Error(parsed.problem)
  return parsed.glob
}

describe("a glob", () => {
  it.each([
    ["*", ["", "a", "anything at all", "𝄞"], []],
    ["", [""], ["a"]],
    ["orders", ["orders"], ["order", "orderss", "Orders", ""]],
    ["order*", ["order", "orders"], ["orde", "xorder"]],
    ["*s", ["s", "orders"], ["order", ""]],
    ["a*b*c", ["abc", "aXbYc", "abbcc", "abcbc"], ["ac", "acb", "abcd"]],
    ["a**b", ["ab", "axxb"], ["a", "b"]],
    ["?", ["a", "𝄞", "é"], ["", "ab"]],
    ["*?", ["a", "ab"], [""]],
    ["a?c", ["abc", "a𝄞c"], ["ac", "abbc"]],
    ["[abc]", ["a", "b", "c"], ["d", "", "ab"]],
    ["[a-c]x", ["ax", "cx"], ["dx", "-x"]],
    ["[a-]", ["a", "-"], ["b"]],
    ["[-a]", ["a", "-"], ["b"]],
    ["[+--]", ["+", ",", "-"], ["."]],
    ["[a\\-c]", ["a", "-", "c"], ["b"]],
    ["[\\]]", ["]"], ["\\", "["]],
    ["[\\^a]", ["^", "a"], ["b"]],
    ["[a^!]", ["^", "!", "a"], ["b"]],
    ["[*?[]", ["*", "?", "["], ["a", ""]],
    ["[😀-😂]", ["😀", "😁", "😂"], ["😃", "\ud83d"]],
    ["a]", ["a]"], ["a"]],
    ["\\*", ["*"], ["a", "\\*"]],
    ["\\[a]", ["[a]"], ["a"]],
    ["\\\\", ["\\"], ["\\\\"]],
    ["a\\b", ["ab"], ["a\\b"]]
  ])("%s", (text, matching, others) => {
    for (const name of matching) expect([name, matches(glob(text), name)]).toEqual([name, true])
    for (const name of others) expect([name, matches(glob(text), name)]).toEqual([name, false])
  })

  it.each([
    ["a\\", /end with \\/],
    ["[a", /without its \]/],
    ["[", /without its \]/],
    ["[a\\", /without its \]/],
    ["[a-", /without its \]/],
    ["[A-\\]", /without its \]/],
    ["[]", /empty set/],
    ["[]a]", /empty set/],
    ["[^a]", /negated/],
    ["[!a]", /negated/],
    ["[c-a]", /c-a, which runs backwards/],
    ["\ud83d", /surrogate/]
  ])("refuses %j", (text, problem) => {
    const parsed = parseGlob(text)
    expect(parsed).toMatchObject({ ok: false, problem: expect.stringMatching(problem) })
  })

  it("tells its literal and its prefix", () => {
    expect(glob("a\\*b")).toMatchObject({ literal: "a*b", prefix: "a*b" })
    expect(glob("")).toMatchObject({ literal: "", prefix: "" })
    expect(glob("a\\?b*c")).toMatchObject({ literal: undefined, prefix: "a?b" })
    expect(glob("[ab]c")).toMatchObject({ literal: undefined, prefix: "" })
  })

  it("can be made of any text, to match that text alone", () => {
    for (const text of ["orders", "a*b?[c]\\", "", "𝄞"]) expect(literalGlob(text)).toEqual(glob(literalGlob(text).text))
    expect(literalGlob("a*").literal).toBe("a*")
  })

  it("takes text × glob steps at worst", () => {
    const started = Date.now()
    expect(matches(glob("*a".repeat(100)), "a".repeat(10_000).concat("b"))).toBe(false)
    expect(matches(glob("x".repeat(200_000)), "x".repeat(200_000))).toBe(true)
    expect(Date.now() - started).toBeLessThan(2_000)
  })

  it("agrees with a matcher that tries everything", () => {
    const tokens = fc.constantFrom("*", "*", "?", "a", "[ab]", "b", "[𝄞-𝄢]", "\\*")
    const characters = fc.constantFrom("a", "a", "b", "𝄞", "*")
    let matched = 0
    fc.assert(
      fc.property(fc.array(tokens, { maxLength: 6 }), fc.array(characters, { maxLength: 6 }), (pattern, text) => {
        const expected = tries(pattern, text)
        if (expected) matched++
        const parsed = glob(pattern.join(""))
        expect(matches(parsed, text.join(""))).toBe(expected)
        if (expected) expect(text.join("").startsWith(parsed.prefix)).toBe(true)
        if (parsed.literal !== undefined) expect(parsed.literal === text.join("")).toBe(expected)
      }),
      { numRuns: 5_000 }
    )
    expect(matched).toBeGreaterThan(300)
  })

  it("never throws, whatever the text", () => {
    const hostile = fc.string({ unit: fc.constantFrom("[", "]", "\\", "-", "^", "*", "?", "a", "\ud83d", "\ude00") })
    fc.assert(
      fc.property(hostile, hostile, (text, name) => {
        const parsed = parseGlob(text)
        if (parsed.ok) matches(parsed.glob, name)
      })
    )
  })
})

/** What globs mean, without any care for time. */
const tries = (pattern: readonly string[], text: readonly string[]): boolean => {
  const [token, ...rest] = pattern
  if (token === undefined) return text.length === 0
  if (token === "*") return tries(rest, text) || (text.length > 0 && tries(pattern, text.slice(1)))
  const [character, ...left] = text
  if (character === undefined) return false
  const sets: Record<string, string> = { "[ab]": "ab", "[𝄞-𝄢]": "𝄞𝄟𝄠𝄡𝄢", "\\*": "*" }
  return (token === "?" || (sets[token] ?? token).includes(character)) && tries(rest, left)
}
