import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { matches, parseGlob } from "../../domain/glob.ts"
import { nameBytesMax } from "../../domain/limits.ts"
import { eventIdProblem, globProblem, nameProblem } from "../../domain/name.ts"

describe("a name", () => {
  it.each([
    ["a"],
    ["orders"],
    ["a.b"],
    ["..."],
    [".a"],
    ["a/b"],
    ["a%2Fb"],
    ["*?[]\\"],
    ["__proto__"],
    ["-1"],
    ["Ünïcode"],
    ["日本"],
    ["😀"],
    ["a".repeat(nameBytesMax)],
    ["é".repeat(127)]
  ])("may be %j", (name) => {
    expect(nameProblem(name)).toBeUndefined()
  })

  it.each([
    ["", /empty/],
    [".", /"\." or "\.\."/],
    ["..", /"\." or "\.\."/],
    ["a b", /white space/],
    [" a", /white space/],
    ["a\u00a0b", /white space/],
    ["a\u2028b", /white space/],
    ["\ufeff", /white space/],
    ["a\tb", /white space/],
    ["a\nb", /white space/],
    ["a\u0000b", /control/],
    ["\u001b[31m", /control/],
    ["a\u007f", /control/],
    ["a\u0085", /control/],
    ["\ud83d", /lone surrogate/],
    ["a\ude00b", /lone surrogate/],
    ["a".repeat(nameBytesMax + 1), /255 bytes/],
    ["é".repeat(128), /255 bytes/],
    ["a".repeat(10_000_000), /255 bytes/]
  ])("may not be any: case %#", (name, problem) => {
    expect(nameProblem(name)).toMatch(problem)
  })

  it("that passes has no character that a path of names is parted by", () => {
    const anything = fc.string({ unit: fc.constantFrom("a", "\u0000", "\n", " ", ".", "\ud83d", "\u200b", "é") })
    fc.assert(
      fc.property(anything, (name) => {
        if (nameProblem(name) !== undefined) return
        expect([...name].every((character) => character > " ")).toBe(true)
        expect(new TextDecoder().decode(new TextEncoder().encode(name))).toBe(name)
      })
    )
  })
})

const problemOf = (text: string) => {
  const parsed = parseGlob(text)
  if (!parsed.ok) throw new Error(parsed.problem)
  return globProblem(parsed.glob)
}

describe("a glob", () => {
  it.each([
    ["*"],
    ["?"],
    ["orders"],
    ["..."],
    [".?"],
    [".*"],
    ["[.a]"],
    ["[ a]"],
    ["[ -~]"],
    ["[\u0000-z]"],
    ["[.][.][.]"],
    ["*".repeat(1000)],
    ["?".repeat(nameBytesMax)],
    ["é*[é]".repeat(63)]
  ])("may match names: %j", (text) => {
    expect(problemOf(text)).toBeUndefined()
  })

  it.each([
    ["a b", /white space/],
    [" ", /white space/],
    ["a\tb*", /white space/],
    ["*\u0000", /control/],
    ["\u0000", /control/],
    ["[ ]", /white space/],
    ["a[\\ \t]*", /white space/],
    ["[\u0000-\u0020]", /white space/],
    ["?\\ ", /white space/],
    [".", /"\."/],
    ["..", /"\.\."/],
    ["[.]", /"\."/],
    ["[ .][.]", /"\.\."/],
    ["a".repeat(nameBytesMax + 1), /255 bytes/],
    ["?".repeat(nameBytesMax + 1), /255 bytes/],
    ["*é[é-ü]".repeat(64), /255 bytes/]
  ])("that can match no name says why: %j", (text, problem) => {
    expect(problemOf(text)).toMatch(problem)
  })

  it("that is refused matches no name that may be", () => {
    const pieces = fc.constantFrom("*", "?", ".", "[.]", "[ .]", " ", "a", "[ab]", "[ -.]", "[\u0000-\u0020]")
    const characters = fc.constantFrom(".", "a", "b", "-", "!")
    let refused = 0
    fc.assert(
      fc.property(fc.array(pieces, { maxLength: 4 }), fc.array(characters, { maxLength: 4 }), (glob, name) => {
        const parsed = parseGlob(glob.join(""))
        if (!parsed.ok || globProblem(parsed.glob) === undefined) return
        refused += 1
        if (nameProblem(name.join("")) === undefined) expect(matches(parsed.glob, name.join(""))).toBe(false)
      }),
      { numRuns: 2_000 }
    )
    expect(refused).toBeGreaterThan(200)
  })
})

describe("the id of an event", () => {
  it("is a UUID of version 4, in either case", () => {
    for (let i = 0; i < 100; i++) expect(eventIdProblem(crypto.randomUUID())).toBeUndefined()
    expect(eventIdProblem("7F3C1A2B-0000-4000-8000-00000000000A")).toBeUndefined()
  })

  it.each([
    [""],
    ["7f3c"],
    ["7f3c1a2b-0000-1000-8000-000000000000"],
    ["7f3c1a2b-0000-4000-c000-000000000000"],
    ["7f3c1a2b000040008000000000000000"],
    ["{7f3c1a2b-0000-4000-8000-000000000000}"],
    ["7f3c1a2b-0000-4000-8000-000000000000\n"],
    ["7f3c1a2b-0000-4000-8000-0000000000001"],
    ["' or 1=1 --"]
  ])("is not %j", (id) => {
    expect(eventIdProblem(id)).toBe("must be a UUID v4")
  })
})
