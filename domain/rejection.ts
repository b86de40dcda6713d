/** One field of a request that breaks a rule. `field` is a path as the wire names it, such as `commands[2].set.key`. */
export interface Violation {
  readonly field: string
  readonly rule: string
}

/** The request itself is wrong; sending it again cannot help. */
export interface Invalid {
  readonly _tag: "Invalid"
  readonly violations: ReadonlyArray<Violation>
}

/** There is no such entity or event, or the entity was deleted. */
export interface NotFound {
  readonly _tag: "NotFound"
  readonly message: string
}

/** The state is not what the caller expected: read again and decide again. */
export interface Conflict {
  readonly _tag: "Conflict"
  readonly message: string
  /** The entity's version now; 0 if it never was. */
  readonly current: bigint
}

/** The idempotency key was used before, with another request. */
export interface KeyReused {
  readonly _tag: "KeyReused"
}

/** The event's values were erased, so that they can be neither shown nor made current. */
export interface Erased {
  readonly _tag: "Erased"
}

/** The request is fine, and its answer would be larger than anyone is served. */
export interface TooLarge {
  readonly _tag: "TooLarge"
  readonly message: string
}

/** The place that a cursor names is not in the log: it was rewound, or its beginning is gone. */
export interface OutOfRange {
  readonly _tag: "OutOfRange"
  readonly message: string
}

/** Why the model refuses a request. Nothing was stored. */
export type Rejection = Invalid | NotFound | Conflict | KeyReused | Erased | TooLarge | OutOfRange

export const invalid = (...violations: ReadonlyArray<Violation>): Invalid => ({ _tag: "Invalid", violations })

/** A rejection as a part of a larger request sees it: the fields and words say which part it was. */
export const within = (part: string, rejection: Rejection): Rejection => {
  switch (rejection._tag) {
    case "Invalid":
      return invalid(...rejection.violations.map(({ field, rule }) => ({ field: `${part}.${field}`, rule })))
    case "NotFound":
    case "Conflict":
    case "TooLarge":
    case "OutOfRange":
      return { ...rejection, message: `${part}: ${rejection.message}` }
    case "KeyReused":
    case "Erased":
      return rejection
  }
}
