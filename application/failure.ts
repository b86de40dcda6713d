import { Schema } from "effect"
import type { Rejection } from "../domain/rejection.ts"

/** A store, a channel or the gateway itself cannot serve now. Nothing was stored, nor will be: retrying is safe. */
export class Unavailable extends Schema.TaggedError<Unavailable>()("Unavailable", {
  /** For the caller; reveals no internals. */
  message: Schema.String,
  /** For the log. */
  cause: Schema.optional(Schema.Defect())
}) {}

/** The failure of every call while the store cannot be used. The message does not depend on the cause. */
export const storeUnavailable = (cause?: unknown): Unavailable =>
  new Unavailable({
    message: "the store is not available; try again later",
    ...(cause === undefined ? {} : { cause })
  })

/** The gateway is shutting down. Callers continue at another gateway; this is no error. */
export class Draining extends Schema.TaggedError<Draining>()("Draining", { message: Schema.String }) {}

/** The outcome of a commit is unknown. Only a retry with the same idempotency key is safe. */
export class OutcomeUnknown extends Schema.TaggedError<OutcomeUnknown>()("OutcomeUnknown", {
  cause: Schema.optional(Schema.Defect())
}) {}

/**
 * The store rejected the content of a commit: a bug in the checks before it. Nothing was stored, and a retry does not help.
 * Reads die with the defect instead.
 */
export class Defect extends Schema.TaggedError<Defect>()("Defect", {
  /** For the log. */
  cause: Schema.optional(Schema.Defect())
}) {}

/** A bound of this process is reached. The call fails at once; it may be retried later. */
export class Overloaded extends Schema.TaggedError<Overloaded>()("Overloaded", { message: Schema.String }) {}

/** The log under an open stream went back in time: it was restored, failed over with loss, or made anew. */
export class LogRewound extends Schema.TaggedError<LogRewound>()("LogRewound", { message: Schema.String }) {}

/** Nobody vouches for the caller. */
export class Unauthenticated extends Schema.TaggedError<Unauthenticated>()("Unauthenticated", {
  /** For the caller: says nothing about which check failed. */
  message: Schema.String,
  /** What is wrong with the credentials, by its name in RFC 6750; absent where the caller sent none. */
  error: Schema.optional(Schema.Literals(["invalid_request", "invalid_token"])),
  /** Which check failed, for the log. */
  reason: Schema.optional(Schema.String)
}) {}

/** The caller may not make the call. */
export class PermissionDenied extends Schema.TaggedError<PermissionDenied>()("PermissionDenied", {
  message: Schema.String,
  /** The scopes that a token needs, separated by spaces, where that is what is missing. */
  scope: Schema.optional(Schema.String),
  /** More about it, for the log. */
  reason: Schema.optional(Schema.String)
}) {}

/** The caller's deadline passed first. */
export class DeadlineExceeded extends Schema.TaggedError<DeadlineExceeded>()("DeadlineExceeded", {}) {}

/** All expected failures of a call. Any other one is a bug, and the call answers INTERNAL. */
export type Failure =
  | Rejection
  | Unavailable
  | Draining
  | OutcomeUnknown
  | Defect
  | Overloaded
  | LogRewound
  | Unauthenticated
  | PermissionDenied
  | DeadlineExceeded
