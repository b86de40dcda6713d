/** Bounds on the cost of a filter: callers write it, and every store has to run it. */
export const queryLimits = {
  /** UTF-8 bytes of a filter or of a sort path. */
  textBytes: 64 * 1024,
  /** Objects and arrays inside one another. */
  depth: 32,
  /** Tests of one path, and filters that are empty. */
  conditions: 256,
  /** Operands of one `$in` or `$nin`. */
  listItems: 256,
  /** Keys in one path. */
  pathKeys: 32,
  /** Keys in the paths of all conditions: databases take much longer to plan many long paths than to run them. */
  keys: 1024
} as const

/** What is searched: the entities of a type by their values, keys and versions, or events as the wire shows them. */
export type Subject = "entity" | "event"

/**
 * The parts of an event that are not JSON, and what each holds. `request_id` is the one that may be missing. A search of
 * entities has `entity.key` and `entity.version`, which it writes as `.key` and `.version`.
 */
export const fields = {
  id: "text",
  time: "integer",
  method: "text",
  position: "integer",
  request_id: "text",
  erased: "boolean",
  "entity.domain": "text",
  "entity.type": "text",
  "entity.key": "text",
  "entity.version": "integer"
} as const

export type Field = keyof typeof fields

/**
 * A field of the event or entity, or a path into the values or the claims. The path is empty for `entity.values` and
 * `claims` of an event themselves.
 */
export type FieldPath =
  | { readonly kind: "field"; readonly field: Field }
  | { readonly kind: "json"; readonly root: "values" | "claims"; readonly path: readonly string[] }

/** A bigint at an integer field, always and only there; elsewhere what JSON has. */
export type Operand = string | number | bigint | boolean | null

export type Comparison = "gt" | "gte" | "lt" | "lte"

/**
 * A parsed filter. A condition holds if any scalar at its path passes (an array stands for its elements), so a missing
 * value passes none. `$ne`, `$nin` and `$exists: false` are `not` of their opposites. An empty `and` passes everything.
 */
export type Query =
  | { readonly kind: "and" | "or"; readonly of: readonly Query[] }
  | { readonly kind: "not"; readonly of: Query }
  | { readonly kind: "exists"; readonly at: FieldPath }
  | { readonly kind: "equals"; readonly at: FieldPath; readonly anyOf: readonly Operand[] }
  | { readonly kind: Comparison; readonly at: FieldPath; readonly than: string | number | bigint }
  | { readonly kind: "prefix"; readonly at: FieldPath; readonly prefix: string }

/** An order of results. Without a path: by key (entities) or position (events), which break ties as well. */
export interface Order {
  readonly subject: Subject
  readonly at: FieldPath | undefined
  /** Reverses the whole order, ties included. */
  readonly reverse: boolean
}
