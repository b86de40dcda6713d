import fc from "fast-check"
import { describe, expect, it } from "vitest"
import {
  type Cursor,
  cursorText,
  decodeCursor,
  encodeCursor,
  type StreamPosition,
  selectionBytes,
  shortId,
  streamPositionBytes
} from "../../domain/cursor.ts"
import { cursorBytesMax } from "../../domain/limits.ts"

const id = "7f3c1a2b-0000-4000-8000-000000000000"
const at = (position: bigint, incarnation = "0123456789abcdef"): StreamPosition => ({
  incarnation,
  position,
  eventId: position === 0n ? "" : shortId(id)
})

const hex = (length: number) =>
  fc.string({ unit: fc.constantFrom(..."0123456789abcdef"), minLength: length, maxLength: length })
const positions: fc.Arbitrary<StreamPosition> = fc
  .tuple(hex(16), fc.oneof(fc.constantFrom(0n, 1n, 127n, 128n, 2n ** 63n - 1n), fc.bigInt({ min: 0n, max: 2n ** 63n })))
  .chain(([incarnation, position]) =>
    hex(8).map((eventId) => ({ incarnation, position, eventId: position === 0n ? "" : eventId }))
  )
const name = fc.string({ unit: "grapheme", minLength: 1, maxLength: 20 }).filter((text) => text.isWellFormed())
const cursors: fc.Arbitrary<Cursor> = fc.record(
  {
    selection: fc.record({ domain: name, type: name, key: name }),
    since: fc.bigInt({ min: 1n, max: 2n ** 63n - 1n }),
    positions: fc.array(fc.tuple(name, positions), { maxLength: 20 }).map((entries) => new Map(entries))
  },
  { requiredKeys: ["selection", "positions"] }
)

/** The base64 text of bytes that no cursor is made of. */
const numbers = (bytes: string) => Array.from(bytes, (byte) => byte.charCodeAt(0))
const forged = (...bytes: ReadonlyArray<number>) => cursorText(String.fromCharCode(...bytes))
const selection = { domain: "d*", type: "*", key: "*" }

describe("a cursor", () => {
  it("comes back as it was, and is fit for headers and URLs", () => {
    fc.assert(
      fc.property(cursors, (cursor) => {
        const text = encodeCursor(cursor)
        expect(text).toMatch(/^[A-Za-z0-9_-]+$/)
        expect(decodeCursor(text)).toEqual(text.length > cursorBytesMax ? undefined : cursor)
      })
    )
  })

  it("is the same text made at once or from its parts", () => {
    const cursor: Cursor = {
      selection,
      positions: new Map([
        ["da", at(7n)],
        ["db", at(0n)]
      ])
    }
    expect(
      cursorText(selectionBytes(selection) + streamPositionBytes("da", at(7n)) + streamPositionBytes("db", at(0n)))
    ).toBe(encodeCursor(cursor))
  })

  it("of a stream over no domain yet has none", () => {
    expect(decodeCursor(encodeCursor({ selection, positions: new Map() }))).toEqual({ selection, positions: new Map() })
  })

  it("keeps positions that a double would round", () => {
    const position = 2n ** 53n + 1n
    const text = encodeCursor({ selection, positions: new Map([["d", at(position)]]) })
    expect(decodeCursor(text)?.positions.get("d")?.position).toBe(position)
  })

  it("keeps names that begin with a byte order mark", () => {
    const cursor = { selection, positions: new Map([["\ufeffd", at(1n)]]) }
    expect(decodeCursor(encodeCursor(cursor))).toEqual(cursor)
  })

  it("keeps apart what is parted by nothing but lengths", () => {
    const one = encodeCursor({ selection: { domain: "ab", type: "c", key: "" }, positions: new Map() })
    const other = encodeCursor({ selection: { domain: "a", type: "bc", key: "" }, positions: new Map() })
    expect(one).not.toBe(other)
  })
})

describe("a text that is not a cursor", () => {
  it.each([
    [""],
    ["AQ"],
    ["A"],
    ["AAAA"],
    ["AgAAAA"],
    ["AQAAAA=="],
    ["AQAAAA\n"],
    ["AQ AAAA"],
    ["AQ+A"],
    ["../../etc/passwd"],
    ["ключ"],
    ["A".repeat(cursorBytesMax + 1)],
    ["A".repeat(10_000_000)]
  ])("is undefined: case %#", (text) => {
    expect(decodeCursor(text)).toBeUndefined()
  })

  it("may be bytes with lengths beyond their end, endless numbers, or text that is no UTF-8", () => {
    const good = numbers(selectionBytes(selection))
    expect(decodeCursor(forged(...good))).toEqual({ selection, positions: new Map() })
    expect(decodeCursor(forged(1, 200, 1, 97))).toBeUndefined()
    expect(decodeCursor(forged(1, ...Array<number>(9).fill(255), 127))).toBeUndefined()
    expect(decodeCursor(forged(1, ...Array<number>(64).fill(255)))).toBeUndefined()
    expect(decodeCursor(forged(1, 1, 0xff, 0, 0))).toBeUndefined()
    expect(decodeCursor(forged(1, 3, 0xed, 0xa0, 0x80, 0, 0))).toBeUndefined()
    expect(decodeCursor(forged(...good, 1))).toBeUndefined()
    expect(decodeCursor(forged(...good, ...numbers(streamPositionBytes("d", at(7n))).slice(0, -1)))).toBeUndefined()
  })

  it("may be a cursor written in another way: longer numbers, a domain twice, spare bits", () => {
    const good = numbers(selectionBytes(selection))
    const twice = numbers(streamPositionBytes("d", at(7n)) + streamPositionBytes("d", at(8n)))
    expect(decodeCursor(forged(...good, ...twice))).toBeUndefined()
    expect(decodeCursor(forged(1, 0x80, 0, 0, 0))).toBeUndefined()
    const text = encodeCursor({ selection: { domain: "", type: "", key: "" }, positions: new Map() })
    expect(text).toBe("AQAAAA")
    expect(decodeCursor("AQAAAB")).toBeUndefined()
  })

  it("never makes the decoder throw, and what it takes is what the encoder writes", () => {
    let taken = 0
    const check = (text: string) => {
      const cursor = decodeCursor(text)
      if (cursor === undefined) return
      taken++
      expect(encodeCursor(cursor)).toBe(text)
    }
    const alphabet = fc.constantFrom(..."ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")
    fc.assert(fc.property(fc.string(), check))
    fc.assert(fc.property(fc.string({ unit: alphabet, maxLength: 200 }), (text) => check(`AQ${text}`)))
    fc.assert(
      fc.property(cursors, fc.nat(), alphabet, (cursor, seed, letter) => {
        const text = encodeCursor(cursor)
        const at = seed % text.length
        check(text.slice(0, at))
        check(text.slice(0, at) + letter + text.slice(at + 1))
        check(text.slice(0, at) + letter + text.slice(at))
        check(text.slice(0, at) + text.slice(at + 1))
      }),
      { numRuns: 500 }
    )
    expect(taken).toBeGreaterThan(50)
  })
})
