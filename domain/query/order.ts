import type { Entity } from "../entity.ts"
import type { Event } from "../event.ts"
import type { Json } from "../json.ts"
import { compareSame } from "./compare.ts"
import { child, fieldOf, isEvent, rootOf } from "./evaluate.ts"
import { parseFieldPath, Refusal, refuseLong } from "./field-path.ts"
import type { FieldPath, Operand, Order, Subject } from "./tree.ts"

export type ParsedSort = { readonly ok: true; readonly order: Order } | { readonly ok: false; readonly problem: string }

/** Reads a sort: a path as filters have them, or nothing for the order by key or position. */
export const parseSort = (field: string, reverse: boolean, subject: Subject): ParsedSort => {
  if (field === "") return { ok: true, order: { subject, at: undefined, reverse } }
  try {
    refuseLong(field)
    const at = parseFieldPath(field, subject)
    return { ok: true, order: { subject, at: isTie(at, subject) ? undefined : at, reverse } }
  } catch (error) {
    if (error instanceof Refusal) return { ok: false, problem: error.problem }
    throw error
  }
}

/** Whether a sort equals the default order. */
const isTie = (at: FieldPath, subject: Subject): boolean =>
  at.kind === "field" && at.field === (subject === "event" ? "position" : "entity.key")

/** The part of a subject that its order depends on: its values may be large. */
export interface SortKey {
  readonly value: Operand | undefined
  readonly tie: string | bigint
}

export const sortKey = ({ at }: Order, subject: Entity | Event): SortKey => ({
  value: at === undefined ? undefined : sortValue(at, subject),
  tie: tie(subject)
})

/** The order of the results of one search: none < null < false < true < numbers < strings, then the tie. */
export const compareKeys = ({ reverse }: Order): ((a: SortKey, b: SortKey) => number) => {
  const sign = reverse ? -1 : 1
  return (a, b) => sign * (compareValues(a.value, b.value) || compareSame(a.tie, b.tie))
}

/** The same, of the subjects themselves. */
export const compareBy = (order: Order): ((a: Entity | Event, b: Entity | Event) => number) => {
  const compare = compareKeys(order)
  return (a, b) => compare(sortKey(order, a), sortKey(order, b))
}

/** Whether a sort key comes after another. */
export const isBehind = (order: Order, place: SortKey, other: SortKey): boolean => compareKeys(order)(place, other) > 0

/** A key that is unique within a search: it breaks ties. */
const tie = (subject: Entity | Event): string | bigint => (isEvent(subject) ? subject.position : subject.key)

/** The scalar at a path through objects alone; undefined if there is an array or nothing. */
const sortValue = (at: FieldPath, subject: Entity | Event): Operand | undefined => {
  if (at.kind === "field") return fieldOf(at.field, subject)
  let value: Json | undefined = rootOf(at.root, subject)
  for (const key of at.path) {
    if (value === undefined) return undefined
    value = child(value, key)
  }
  return typeof value === "object" && value !== null ? undefined : value
}

const rank = (value: Operand | undefined): number => {
  if (value === undefined) return 0
  if (value === null) return 1
  if (typeof value === "boolean") return value ? 3 : 2
  return typeof value === "string" ? 5 : 4
}

const compareValues = (a: Operand | undefined, b: Operand | undefined): number => {
  const order = rank(a)
  if (order !== rank(b)) return order - rank(b)
  // Up to `true` a rank holds one value only.
  return order < 4 ? 0 : compareSame(a as string | number | bigint, b as string | number | bigint)
}
