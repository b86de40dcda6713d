import { Effect } from "effect"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { pageTokenBytesMax, pageTokenTextBytesMax } from "../../../application/limits.ts"
import { encodePageToken, parsePageToken, searchNumber, wholePlace } from "../../../application/storage/page-token.ts"
import { base64Url } from "../../../domain/bytes.ts"
import type { Entity } from "../../../domain/entity.ts"
import type { SortKey, Subject } from "../../../domain/query.ts"
import { orderOf } from "../../contract/event-store/searching.ts"

const number = searchNumber(["shop", "order", "", "", false])
const place = (key: SortKey, sort = "", subject: Subject = "entity") =>
  parsePageToken(encodePageToken(number, key), number, orderOf(sort, false, subject))
const malformed = { ok: false, problem: "is not a next_page_token" }

describe("a page token", () => {
  it.each<[string, Subject, SortKey]>([
    ["", "entity", { value: undefined, tie: "k" }],
    ["a.b", "entity", { value: undefined, tie: "k\u{10ffff}/é" }],
    ["a", "entity", { value: null, tie: "k" }],
    ["a", "entity", { value: false, tie: "k" }],
    ["a", "entity", { value: true, tie: "k" }],
    ["a", "entity", { value: 0.1, tie: "k" }],
    ["a", "entity", { value: -1.7976931348623157e308, tie: "k" }],
    ["a", "entity", { value: "", tie: "k" }],
    ["a", "entity", { value: "𝄞".repeat(pageTokenTextBytesMax / 4), tie: "k" }],
    [".version", "entity", { value: 2n ** 63n - 1n, tie: "k" }],
    ["", "event", { value: undefined, tie: 1n }],
    ["time", "event", { value: 1_700_000_000_000_000_001n, tie: 2n ** 63n - 1n }],
    ["erased", "event", { value: true, tie: 9007199254740993n }],
    ["request_id", "event", { value: undefined, tie: 7n }],
    ["request_id", "event", { value: "once", tie: 7n }],
    ["entity.values.a", "event", { value: "x", tie: 7n }]
  ])("by %s of an %s holds the place of an item", (sort, subject, key) => {
    expect(place(key, sort, subject)).toEqual({ ok: true, place: key })
  })

  it("looks as it did in every version, so that one is good for any gateway", () => {
    expect(searchNumber(["shop", "order", "", "", false])).toBe(8662764120114620n)
    expect(encodePageToken(7n, { value: undefined, tie: "1001" })).toBe("AQcABDEwMDE")
    expect(encodePageToken(7n, { value: 1.5, tie: 300n })).toBe("AQcEP_gAAAAAAACsAg")
    expect(encodePageToken(7n, { value: "a", tie: "k" })).toBe("AQcGAWEBaw")
    expect(encodePageToken(7n, { value: "x".repeat(2000), tie: "k" })).toBe("AQcH5LP59oWyXQFr")
  })

  it("is short, whatever its item is called and sorted by", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme", maxLength: 3000 }), (value) => {
        const token = encodePageToken(2n ** 53n - 1n, { value: value.repeat(2), tie: "𝄞".repeat(63) })
        expect(token.length).toBeLessThanOrEqual(pageTokenBytesMax)
      })
    )
    const longest = { value: "x".repeat(pageTokenTextBytesMax), tie: "k".repeat(255) }
    expect(encodePageToken(2n ** 53n - 1n, longest).length).toBeLessThanOrEqual(pageTokenBytesMax)
    expect(place(longest, "a")).toEqual({ ok: true, place: longest })
  })

  it("is of one search alone", () => {
    const asked = ["shop", "order", "{}", "a", false, "1", "2"]
    for (const [i, part] of asked.entries()) {
      const other = asked.with(i, typeof part === "boolean" ? !part : `${part}x`)
      expect(searchNumber(other)).not.toBe(searchNumber(asked))
    }
    const token = encodePageToken(number, { value: undefined, tie: "k" })
    expect(parsePageToken(token, number + 1n, orderOf("", false, "entity"))).toMatchObject({
      ok: false,
      problem: expect.stringMatching(/is of another search; domain, type, query_string and sort must be/)
    })
  })

  it("that nobody was given is refused, whatever it is", () => {
    const token = encodePageToken(number, { value: "a", tie: "k" })
    for (const text of [
      "x",
      "!",
      token.slice(0, -1),
      `${token}AA`,
      `${token}=`,
      "A".repeat(pageTokenBytesMax + 1),
      // Another format, a kind that there is not, a number written longer than need be.
      base64Url("\u0002\u0007\u0000\u0001k"),
      base64Url("\u0001\u0007\u0009\u0001k"),
      base64Url("\u0001\u0087\u0000\u0000\u0001k")
    ])
      expect(parsePageToken(text, number, orderOf("a", false, "entity")), text).toEqual(malformed)
    const subjects = fc.constantFrom<Subject>("entity", "event")
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 24 }), subjects, (bytes, subject) => {
        const text = base64Url(`\u0001\u0007${String.fromCharCode(...bytes)}`)
        const parsed = parsePageToken(text, 7n, orderOf(subject === "event" ? "time" : "a", false, subject))
        // What can be read is what would be written.
        if (parsed.ok && !("textHash" in parsed.place)) expect(encodePageToken(7n, parsed.place)).toBe(text)
      })
    )
  })

  it.each<[string, Subject, SortKey]>([
    ["", "entity", { value: 1, tie: "k" }],
    ["", "entity", { value: undefined, tie: "" }],
    ["", "entity", { value: undefined, tie: "a b" }],
    ["", "entity", { value: undefined, tie: "\u0000" }],
    ["", "entity", { value: "x".repeat(2000), tie: "k" }],
    ["a", "entity", { value: "\u0000", tie: "k" }],
    ["a", "entity", { value: Number.NaN, tie: "k" }],
    ["a", "entity", { value: Number.POSITIVE_INFINITY, tie: "k" }],
    ["a", "entity", { value: 1n, tie: "k" }],
    [".version", "entity", { value: 1, tie: "k" }],
    [".version", "entity", { value: 2n ** 63n, tie: "k" }],
    [".version", "entity", { value: "x".repeat(2000), tie: "k" }],
    ["", "event", { value: undefined, tie: 2n ** 63n }],
    ["time", "event", { value: "1", tie: 1n }],
    ["time", "event", { value: null, tie: 1n }],
    ["erased", "event", { value: 1, tie: 1n }],
    ["method", "event", { value: true, tie: 1n }]
  ])("by %s of an %s cannot hold what no item has", (sort, subject, key) => {
    expect(place(key, sort, subject)).toEqual(malformed)
  })

  it("of an item that is sorted by a long text finds that in the item", async () => {
    const text = "x".repeat(pageTokenTextBytesMax + 1)
    const order = orderOf("a", false, "entity")
    const parsed = place({ value: text, tie: "k" }, "a")
    if (!parsed.ok) throw new Error(parsed.problem)
    const item = (a: string): Entity => ({ domain: "d", type: "t", key: "k", values: { a }, version: 1n })
    const whole = (found: Entity | undefined) =>
      Effect.runPromise(Effect.result(wholePlace(order, parsed.place, Effect.succeed(found))))
    expect(await whole(item(text))).toMatchObject({ _tag: "Success", success: { value: text, tie: "k" } })
    for (const other of [item(`${text}y`), item("x"), undefined])
      expect(await whole(other)).toMatchObject({
        _tag: "Failure",
        failure: { _tag: "Invalid", violations: [{ field: "page_token" }] }
      })
  })
})
