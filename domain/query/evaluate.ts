import type { Entity } from "../entity.ts"
import type { Event } from "../event.ts"
import { isArray, type Json, type JsonObject } from "../json.ts"
import { compareSame } from "./compare.ts"
import type { Comparison, Field, FieldPath, Operand, Query } from "./tree.ts"

/** Whether a subject passes a filter. This function defines what filters mean; every store has to agree with it. */
export const evaluate = (query: Query, subject: Entity | Event): boolean => {
  switch (query.kind) {
    case "and":
      return query.of.every((part) => evaluate(part, subject))
    case "or":
      return query.of.some((part) => evaluate(part, subject))
    case "not":
      return !evaluate(query.of, subject)
    case "exists":
      return valuesAt(query.at, subject).length > 0
    case "equals":
      return scalarsAt(query.at, subject).some((value) => query.anyOf.includes(value))
    case "prefix":
      return scalarsAt(query.at, subject).some((value) => typeof value === "string" && value.startsWith(query.prefix))
    default:
      return scalarsAt(query.at, subject).some(
        (value) => typeof value === typeof query.than && holds[query.kind](compareSame(value as Scalar, query.than))
      )
  }
}

type Scalar = string | number | bigint

const holds: Readonly<Record<Comparison, (sign: number) => boolean>> = {
  gt: (sign) => sign > 0,
  gte: (sign) => sign >= 0,
  lt: (sign) => sign < 0,
  lte: (sign) => sign <= 0
}

export const isEvent = (subject: Entity | Event): subject is Event => "entity" in subject

/** The JSON that a path starts from. Entities have no claims, and no query over entities looks for them. */
export const rootOf = (root: "values" | "claims", subject: Entity | Event): JsonObject =>
  isEvent(subject) ? (root === "claims" ? subject.claims : subject.entity.values) : subject.values

/** A field of a subject; undefined if the subject does not have it. */
export const fieldOf = (field: Field, subject: Entity | Event): string | bigint | boolean | undefined => {
  const entity = isEvent(subject) ? subject.entity : subject
  switch (field) {
    case "entity.domain":
      return entity.domain
    case "entity.type":
      return entity.type
    case "entity.key":
      return entity.key
    case "entity.version":
      return entity.version
    default:
      return isEvent(subject) ? eventFieldOf(field, subject) : undefined
  }
}

const eventFieldOf = (
  field: Exclude<Field, `entity.${string}`>,
  event: Event
): string | bigint | boolean | undefined => {
  switch (field) {
    case "id":
      return event.id
    case "time":
      return event.time
    case "method":
      return event.method
    case "position":
      return event.position
    case "request_id":
      return event.idempotency?.key
    case "erased":
      return event.erased
  }
}

/** The value under a key of an object; undefined for anything else. `__proto__` is a key like any other. */
export const child = (value: Json, key: string): Json | undefined =>
  typeof value === "object" && value !== null && !isArray(value) && Object.hasOwn(value, key) ? value[key] : undefined

/** A value at a path: JSON, or an exact integer of an event. */
type PathValue = Json | bigint

/** All values at a path. Along the path an array stands for its elements, but nested arrays do not. */
const valuesAt = (at: FieldPath, subject: Entity | Event): readonly PathValue[] => {
  if (at.kind === "field") {
    const value = fieldOf(at.field, subject)
    return value === undefined ? [] : [value]
  }
  let reached: readonly Json[] = [rootOf(at.root, subject)]
  for (const key of at.path) {
    reached = reached.flatMap(items<Json>).flatMap((item) => {
      const value = child(item, key)
      // Wrapped in a list, because flatMap would flatten a value that is an array.
      return value === undefined ? [] : [value]
    })
  }
  return reached
}

const items = <A extends PathValue>(value: A): readonly A[] =>
  typeof value === "object" && value !== null && isArray(value) ? (value as readonly A[]) : [value]

/** The scalarsAt that a place leads to, those in an array at its end included. */
const scalarsAt = (at: FieldPath, subject: Entity | Event): readonly Operand[] =>
  valuesAt(at, subject)
    .flatMap(items<PathValue>)
    .filter((value): value is Operand => typeof value !== "object" || value === null)
