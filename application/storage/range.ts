import { compareText, type Field, type Query } from "../../domain/query.ts"
import type { Search } from "../ports/EventStore.ts"

/** A key of entities, and whether it is in the range that it bounds. */
export interface Bound {
  readonly key: string
  readonly isIncluded: boolean
}

/** Keys of entities, in the order of code points. */
export interface KeyRange {
  readonly from: Bound | undefined
  readonly to: Bound | undefined
}

/** Positions of events, both included; none where `from` is above `to`. */
export interface PositionRange {
  readonly from: bigint
  readonly to: bigint
}

/** The largest position, version or time in Unix nanoseconds: integers of stores have 64 bits. */
export const integerMax = 2n ** 63n - 1n

/**
 * Bounds for the keys of all entities that a search finds, from its filter and from the place after which it begins. In
 * another order than that by key the place bounds nothing.
 */
export const keyRangeOf = ({ query, order, after }: Search): KeyRange => {
  const within = keysIn(query)
  if (after === undefined || order.at !== undefined) return within
  const bound = { key: after.tie as string, isIncluded: false }
  return both(within, order.reverse ? { from: undefined, to: bound } : { from: bound, to: undefined })
}

/** The positions of all events that a search finds, likewise. */
export const positionRangeOf = ({ query, order, after }: Search): PositionRange => {
  const within = positionsIn(query)
  if (after === undefined || order.at !== undefined) return within
  const position = after.tie as bigint
  return order.reverse ? overlap(within, { from: 0n, to: position - 1n }) : overlap(within, from(position + 1n))
}

const allKeys: KeyRange = { from: undefined, to: undefined }

const keysIn = (query: Query): KeyRange => {
  if (query.kind === "and") return query.of.map(keysIn).reduce(both, allKeys)
  if (!isOn(query, "entity.key")) return allKeys
  switch (query.kind) {
    case "equals": {
      const keys = (query.anyOf as ReadonlyArray<string>).toSorted(compareText)
      if (keys.length === 0) return allKeys
      return { from: { key: keys[0]!, isIncluded: true }, to: { key: keys.at(-1)!, isIncluded: true } }
    }
    case "prefix": {
      const end = behindPrefix(query.prefix)
      const to = end === undefined ? undefined : { key: end, isIncluded: false }
      return { from: { key: query.prefix, isIncluded: true }, to }
    }
    case "exists":
      return allKeys
    default: {
      const bound = { key: query.than as string, isIncluded: query.kind === "gte" || query.kind === "lte" }
      const isLower = query.kind === "gt" || query.kind === "gte"
      return isLower ? { from: bound, to: undefined } : { from: undefined, to: bound }
    }
  }
}

const both = (a: KeyRange, b: KeyRange): KeyRange => ({
  from: tighter(a.from, b.from, 1),
  to: tighter(a.to, b.to, -1)
})

const tighter = (a: Bound | undefined, b: Bound | undefined, sign: 1 | -1): Bound | undefined => {
  if (a === undefined || b === undefined) return a ?? b
  const difference = sign * compareText(a.key, b.key)
  return difference > 0 || (difference === 0 && !a.isIncluded) ? a : b
}

/** The first text after all that begin with a prefix; undefined if there is none. */
const behindPrefix = (prefix: string): string | undefined => {
  const characters = [...prefix]
  while (characters.length > 0) {
    const code = characters.pop()!.codePointAt(0)!
    // Between these two there are halves of others, and no characters.
    if (code < 0x10ffff) return characters.join("") + String.fromCodePoint(code === 0xd7ff ? 0xe000 : code + 1)
  }
  return undefined
}

const from = (position: bigint): PositionRange => ({ from: position, to: integerMax })
const allPositions = from(0n)

const positionsIn = (query: Query): PositionRange => {
  if (query.kind === "and") return query.of.map(positionsIn).reduce(overlap, allPositions)
  if (!isOn(query, "position")) return allPositions
  switch (query.kind) {
    case "equals": {
      const positions = query.anyOf as ReadonlyArray<bigint>
      if (positions.length === 0) return allPositions
      return overlap(allPositions, {
        from: positions.reduce((a, b) => (a < b ? a : b)),
        to: positions.reduce((a, b) => (a > b ? a : b))
      })
    }
    case "gt":
      return overlap(allPositions, from((query.than as bigint) + 1n))
    case "gte":
      return overlap(allPositions, from(query.than as bigint))
    case "lt":
      return overlap(allPositions, { from: 0n, to: (query.than as bigint) - 1n })
    case "lte":
      return overlap(allPositions, { from: 0n, to: query.than as bigint })
    default:
      return allPositions
  }
}

const nothing: PositionRange = { from: 1n, to: 0n }

const overlap = (a: PositionRange, b: PositionRange): PositionRange => {
  const range = { from: a.from > b.from ? a.from : b.from, to: a.to < b.to ? a.to : b.to }
  // So that what goes to a database fits into 64 bits.
  return range.from > range.to ? nothing : range
}

type Test = Exclude<Query, { readonly of: unknown }>

const isOn = (query: Query, field: Field): query is Test =>
  !("of" in query) && query.at.kind === "field" && query.at.field === field

/** The one key that a query allows, if it does: then only the rows of that key need a look. */
export const pinnedKey = (query: Query): string | undefined => {
  switch (query.kind) {
    case "equals": {
      const [key, ...others] = query.anyOf
      const isKey = query.at.kind === "field" && query.at.field === "entity.key"
      return isKey && others.length === 0 && typeof key === "string" ? key : undefined
    }
    case "and":
      return query.of.map(pinnedKey).find((key) => key !== undefined)
    default:
      return undefined
  }
}
