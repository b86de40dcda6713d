import { Effect } from "effect"
import { ByteReader, type Bytes, base64Url, fromBase64Url, text, varint } from "../../domain/bytes.ts"
import type { Entity } from "../../domain/entity.ts"
import type { Event } from "../../domain/event.ts"
import { exceedsBytes } from "../../domain/json.ts"
import { nameProblem } from "../../domain/name.ts"
import { fields, type Operand, type Order, type SortKey, sortKey } from "../../domain/query.ts"
import { type Invalid, invalid } from "../../domain/rejection.ts"
import { pageTokenBytesMax, pageTokenTextBytesMax } from "../limits.ts"
import { hashed } from "./index-terms.ts"
import { integerMax } from "./range.ts"

// A page token holds all that another gateway needs to go on: which search it belongs to, and the place of the last item
// in its order. It is not secret, so it may name no item that its caller was not shown, and it is trusted with nothing:
// a made-up token answers a page that a filter would have answered as well.

/** A place in the order. In the stead of a text that is too long for a token there is its hash. */
export type TokenPlace = SortKey | { readonly tie: SortKey["tie"]; readonly textHash: bigint }

/** A number for what a search asks for, which all of its pages have to ask for. */
export const searchNumber = (asked: ReadonlyArray<string | boolean>): bigint => BigInt(hashed(JSON.stringify(asked)))

const format = 1

/** How a token says what its item is sorted by. */
const kinds = { none: 0, null: 1, false: 2, true: 3, number: 4, integer: 5, text: 6, textHash: 7 } as const

export const encodePageToken = (search: bigint, key: SortKey): string => encode(search, placeOf(key))

const placeOf = (key: SortKey): TokenPlace =>
  typeof key.value === "string" && exceedsBytes(key.value, pageTokenTextBytesMax)
    ? { tie: key.tie, textHash: BigInt(hashed(key.value)) }
    : key

const encode = (search: bigint, place: TokenPlace): string => {
  const tie = typeof place.tie === "bigint" ? varint(place.tie) : text(place.tie)
  const sorted = "textHash" in place ? byte(kinds.textHash) + varint(place.textHash) : valueBytes(place.value)
  return base64Url(byte(format) + varint(search) + sorted + tie)
}

const byte = (value: number): Bytes => String.fromCharCode(value)

const valueBytes = (value: Operand | undefined): Bytes => {
  if (value === undefined) return byte(kinds.none)
  if (value === null) return byte(kinds.null)
  switch (typeof value) {
    case "boolean":
      return byte(value ? kinds.true : kinds.false)
    case "number":
      return byte(kinds.number) + doubleBytes(value)
    case "bigint":
      return byte(kinds.integer) + varint(value)
    case "string":
      return byte(kinds.text) + text(value)
  }
}

const doubleBytes = (value: number): Bytes => {
  const view = new DataView(new ArrayBuffer(8))
  view.setFloat64(0, value)
  return String.fromCharCode(...new Uint8Array(view.buffer))
}

export type ParsedToken =
  | { readonly ok: true; readonly place: TokenPlace }
  | { readonly ok: false; readonly problem: string }

/** The place that a token of this search holds, or what is wrong with the text. */
export const parsePageToken = (token: string, search: bigint, order: Order): ParsedToken => {
  const decoded = decode(token, order)
  if (decoded === undefined) return { ok: false, problem: "is not a next_page_token" }
  if (decoded.search !== search) {
    const fields =
      order.subject === "event"
        ? "domain, type, query_string, sort, min and max"
        : "domain, type, query_string and sort"
    return { ok: false, problem: `is of another search; ${fields} must be those of the page that it came with` }
  }
  return isPlaceIn(order, decoded.place)
    ? { ok: true, place: decoded.place }
    : { ok: false, problem: "is not a next_page_token" }
}

const decode = (token: string, order: Order) => {
  const bytes = token.length > pageTokenBytesMax ? undefined : fromBase64Url(token)
  if (bytes === undefined) return undefined
  try {
    const reader = new ByteReader(bytes)
    if (reader.byte() !== format) return undefined
    const search = reader.varint()
    const sorted = readSorted(reader)
    const place = { ...sorted, tie: order.subject === "event" ? reader.varint() : reader.text() } as TokenPlace
    // The same bytes can be written in other ways; none of them is ours.
    return encode(search, place) === token ? { search, place } : undefined
  } catch {
    return undefined
  }
}

const readSorted = (reader: ByteReader): { readonly value: Operand | undefined } | { readonly textHash: bigint } => {
  const kind = reader.byte()
  switch (kind) {
    case kinds.none:
      return { value: undefined }
    case kinds.null:
      return { value: null }
    case kinds.false:
      return { value: false }
    case kinds.true:
      return { value: true }
    case kinds.number: {
      const { buffer, byteOffset } = reader.take(8)
      return { value: new DataView(buffer, byteOffset).getFloat64(0) }
    }
    case kinds.integer:
      return { value: reader.varint() }
    case kinds.text:
      return { value: reader.text() }
    case kinds.textHash:
      return { textHash: reader.varint() }
    default:
      throw new RangeError(`no value of kind ${kind}`)
  }
}

/** Whether an item may have this place in the order: a database would not take just anything. */
const isPlaceIn = ({ at }: Order, place: TokenPlace): boolean => {
  const { tie } = place
  if (typeof tie === "bigint" ? tie > integerMax : nameProblem(tie) !== undefined) return false
  const holds = at?.kind === "field" ? fields[at.field] : undefined
  if ("textHash" in place) return at !== undefined && (holds === undefined || holds === "text")
  const { value } = place
  if (value === undefined) return true
  if (at === undefined) return false
  switch (typeof value) {
    case "string":
      return (holds === undefined || holds === "text") && !value.includes("\u0000")
    case "bigint":
      return holds === "integer" && value <= integerMax
    case "boolean":
      return holds === undefined || holds === "boolean"
    case "number":
      return holds === undefined && Number.isFinite(value)
    default:
      return holds === undefined
  }
}

/**
 * The whole place, a text that the token had no room for included: that is looked up in its item, which must not have
 * changed there.
 */
export const wholePlace = <E>(
  order: Order,
  place: TokenPlace,
  item: Effect.Effect<Entity | Event | undefined, E>
): Effect.Effect<SortKey, E | Invalid> => {
  if (!("textHash" in place)) return Effect.succeed(place)
  return Effect.flatMap(item, (found) => {
    const value = found === undefined ? undefined : sortKey(order, found).value
    return typeof value === "string" && BigInt(hashed(value)) === place.textHash
      ? Effect.succeed({ value, tie: place.tie })
      : Effect.fail(changed)
  })
}

const changed = invalid({
  field: "page_token",
  rule: "the item that this page goes on behind has changed since, and is sorted by too long a text; search anew"
})
