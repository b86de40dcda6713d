import fc from "fast-check"
import { describe, expect, it } from "vitest"
import type { Entity } from "../../domain/entity.ts"
import { type Event, methods } from "../../domain/event.ts"
import type { JsonObject } from "../../domain/json.ts"
import { compareBy, compareText, parseSort } from "../../domain/query.ts"

const entity = (values: JsonObject, key: string): Entity => ({ domain: "d", type: "t", key, values, version: 1n })

const event = (position: bigint, time: bigint): Event => ({
  id: String(position),
  position,
  time,
  method: methods.set,
  entity: entity({}, "k"),
  claims: { sub: "anna" },
  erased: false
})

describe("an order", () => {
  const sorted = (field: string, reverse: boolean, subjects: readonly (Entity | Event)[]) => {
    const parsed = parseSort(field, reverse, "entity" in subjects[0]! ? "event" : "entity")
    if (!parsed.ok) throw new Error(parsed.problem)
    return [...subjects].sort(compareBy(parsed.order))
  }

  it("puts none before null, false, true, numbers and strings", () => {
    const values = [
      {},
      { a: null },
      { a: false },
      { a: true },
      { a: -1 },
      { a: 10 },
      { a: "" },
      { a: "\uffff" },
      { a: "😀" }
    ]
    const subjects = values.map((value) => entity(value, "k"))
    expect(sorted("a", false, subjects.toReversed())).toEqual(subjects)
    expect(sorted("a", true, subjects)).toEqual(subjects.toReversed())
  })

  it("takes arrays and objects, at the end and on the way, as none", () => {
    const subjects = [{ a: [9] }, { a: {} }, { a: [{ b: 1 }] }, { a: 3 }].map((values, at) => entity(values, `k${at}`))
    expect(sorted("a", false, subjects)).toEqual(subjects)
    expect(sorted("a.b", true, subjects)).toEqual(subjects.toReversed())
    expect(sorted("a.b", false, [...subjects, entity({ a: { b: null } }, "k")]).at(-1)).toMatchObject({ key: "k" })
  })

  it("is by key or by position when nothing else is asked, and settles ties so", () => {
    const keys = ["a", "b", "\uffff", "😀"].map((key) => entity({ n: 1 }, key))
    const positions = [1n, 2n, 10n].map((position) => event(position, 100n - position))
    for (const field of ["", "n"]) expect(sorted(field, false, keys.toReversed())).toEqual(keys)
    for (const field of ["", "claims.sub"]) expect(sorted(field, true, positions)).toEqual(positions.toReversed())
    expect(sorted("time", false, positions)).toEqual(positions.toReversed())
  })

  it("may be by an entity's own key or version, exactly", () => {
    const keys = ["a", "b", "\uffff", "😀"].map((key) => entity({}, key))
    expect(sorted(".key", true, keys)).toEqual(keys.toReversed())
    const versions = [2n ** 53n, 2n ** 53n + 1n, 2n ** 63n - 1n].map((version) => ({ ...entity({}, "k"), version }))
    expect(sorted(".version", false, versions.toReversed())).toEqual(versions)
    expect(parseSort(".key", true, "entity")).toEqual(parseSort("", true, "entity"))
    expect(parseSort("position", false, "event")).toEqual(parseSort("", false, "event"))
    expect(parseSort("key", false, "entity")).toMatchObject({ order: { at: { kind: "json", path: ["key"] } } })
  })

  it("refuses what is not a path", () => {
    for (const [field, subject] of [
      ["a..b", "entity"],
      ["a\\", "entity"],
      ["\u0000", "entity"],
      ["\ud83d", "entity"],
      ["x", "event"],
      [".values", "entity"],
      [".key", "event"]
    ] as const)
      expect(parseSort(field, false, subject)).toMatchObject({ ok: false })
  })

  it("compares text as its UTF-8 bytes", () => {
    const characters = fc.constantFrom("a", "é", "\ud7ff", "\ue000", "\uffff", "😀", "😁", "𐀀")
    fc.assert(
      fc.property(fc.string({ unit: characters }), fc.string({ unit: characters }), (a, b) => {
        expect(Math.sign(compareText(a, b))).toBe(
          compareBytes(new TextEncoder().encode(a), new TextEncoder().encode(b))
        )
      })
    )
  })
})

const compareBytes = (a: Uint8Array, b: Uint8Array): number => {
  const at = a.findIndex((byte, index) => byte !== b[index])
  return at < 0 ? Math.sign(a.length - b.length) : Math.sign(a[at]! - (b[at] ?? -1))
}
