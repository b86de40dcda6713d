import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { nameBytesMax } from "../../domain/limits.ts"
import { eventIdProblem, nameProblem } from "../../domain/name.ts"

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
