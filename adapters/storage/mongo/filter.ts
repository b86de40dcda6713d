import { anyTerm, termOf } from "../../../application/storage/index-terms.ts"
import { integerMax } from "../../../application/storage/range.ts"
import type { Field, Operand, Query, Subject } from "../../../domain/query.ts"
import type { EventRow } from "./rows.ts"

export type Condition =
  | { readonly $and: ReadonlyArray<Condition> }
  | { readonly $or: ReadonlyArray<Condition> }
  | { readonly [column: string]: { readonly $in: ReadonlyArray<Operand> } }

/**
 * What the server can tell of a query: a condition that everything which passes fulfils, or undefined where it can tell
 * nothing. It is made of `$and`, `$or` and `$in` over fields of ours; what a client wrote is only ever compared with.
 */
export const candidates = (query: Query, subject: Subject): Condition | undefined => {
  switch (query.kind) {
    case "and": {
      const parts = query.of.map((part) => candidates(part, subject)).filter((part) => part !== undefined)
      return parts.length === 0 ? undefined : { $and: parts }
    }
    case "or": {
      const parts = query.of.map((part) => candidates(part, subject))
      return parts.every((part) => part !== undefined) ? { $or: parts } : undefined
    }
    case "equals":
      return equals(query, subject)
    default:
      return undefined
  }
}

const equals = ({ at, anyOf }: Extract<Query, { kind: "equals" }>, subject: Subject): Condition | undefined => {
  if (at.kind === "json") {
    // Only entities have terms: of events there are too many.
    if (subject === "event") return undefined
    const scalars = anyOf.filter((value) => typeof value !== "bigint")
    return { terms: { $in: [anyTerm, ...scalars.map((value) => termOf(at.path, value))] } }
  }
  const column = columns[at.field]
  return column === undefined ? undefined : { [column]: { $in: anyOf.filter(fits) } }
}

/** The fields of events that are worth a look by the server; it has them as they are. */
const columns: Partial<Record<Field, keyof EventRow>> = {
  id: "id",
  position: "position",
  time: "time",
  method: "method",
  "entity.key": "key",
  "entity.version": "version"
}

/** No row holds an integer beyond 64 bits. */
const fits = (value: Operand): boolean => typeof value !== "bigint" || (-integerMax <= value && value <= integerMax)
