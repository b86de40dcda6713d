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
  /** The current version of the entity; 0 if it has no events. */
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

/** The request is valid, but it or its answer exceeds a limit. */
export interface TooLarge {
  readonly _tag: "TooLarge"
  readonly message: string
}

/** The log does not contain the position of a cursor: it was rewound. */
export interface OutOfRange {
  readonly _tag: "OutOfRange"
  readonly message: string
}

/** Why the model refuses a request. Nothing was stored. */
export type Rejection = Invalid | NotFound | Conflict | KeyReused | Erased | TooLarge | OutOfRange

export const invalid = (...violations: ReadonlyArray<Violation>): Invalid => ({ _tag: "Invalid", violations })

/** A rejection of one part of a larger request: its fields and message name the part. */
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
