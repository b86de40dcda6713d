import { create, type DescMessage, type MessageInitShape } from "@bufbuild/protobuf"
import { Code } from "@connectrpc/connect"
import type { Failure } from "../../../application/failure.ts"
import { statusMessageCharsMax } from "../../../application/limits.ts"
import { BadRequestSchema, ErrorInfoSchema } from "../../../proto/gen/google/rpc/error_details_pb.js"

/** How a failure of each kind looks on the wire. A missing row does not compile. */
export const table = {
  Invalid: { code: Code.InvalidArgument, http: 400 },
  NotFound: { code: Code.NotFound, http: 404 },
  Conflict: { code: Code.Aborted, http: 409 },
  KeyReused: { code: Code.FailedPrecondition, http: 422 },
  Erased: { code: Code.FailedPrecondition, http: 400 },
  TooLarge: { code: Code.ResourceExhausted, http: 429 },
  OutOfRange: { code: Code.OutOfRange, http: 400 },
  Unavailable: { code: Code.Unavailable, http: 503 },
  Draining: { code: Code.Unavailable, http: 503 },
  OutcomeUnknown: { code: Code.Unknown, http: 500 },
  Defect: { code: Code.Internal, http: 500 },
  Overloaded: { code: Code.ResourceExhausted, http: 429 },
  LogRewound: { code: Code.DataLoss, http: 500 },
  Unauthenticated: { code: Code.Unauthenticated, http: 401 },
  PermissionDenied: { code: Code.PermissionDenied, http: 403 },
  DeadlineExceeded: { code: Code.DeadlineExceeded, http: 504 }
} as const satisfies Record<Failure["_tag"], { readonly code: Code; readonly http: number }>

/** One typed detail of a status. */
export interface Detail<D extends DescMessage = DescMessage> {
  readonly desc: D
  readonly value: MessageInitShape<D>
}

/** A failure as every protocol reports it: the fields of google.rpc.Status, and the status line of HTTP. */
export interface WireStatus {
  readonly code: Code
  readonly http: number
  readonly message: string
  readonly details: ReadonlyArray<Detail>
  /** Headers or metadata that go along. */
  readonly headers: Readonly<Record<string, string>>
  /** More than the caller gets, for the log. */
  readonly reason?: string
}

/** What a bug looks like from outside: nothing internal leaks, the log has the rest under the call id. */
export const internal: WireStatus = {
  code: Code.Internal,
  http: 500,
  message: "internal error; the gateway's log has more under the id of this call",
  details: [],
  headers: {}
}

export const canceled: WireStatus = {
  code: Code.Canceled,
  http: 499,
  message: "the caller has gone",
  details: [],
  headers: {}
}

export const statusOf = (failure: Failure): WireStatus => {
  const { code, http } = table[failure._tag]
  const reason = "reason" in failure ? failure.reason : undefined
  return {
    code,
    http,
    message: messageOf(failure),
    details: detailsOf(failure),
    headers: headersOf(failure),
    ...(reason === undefined ? {} : { reason })
  }
}

const shortened = (message: string): string =>
  message.length <= statusMessageCharsMax ? message : `${message.slice(0, statusMessageCharsMax).toWellFormed()}…`

const messageOf = (failure: Failure): string => {
  switch (failure._tag) {
    case "Invalid":
      return shortened(failure.violations.map(({ field, rule }) => `${field} ${rule}`).join("; "))
    case "KeyReused":
      return "the idempotency key was used before, with another request"
    case "Erased":
      return "the values of that event were erased"
    case "OutcomeUnknown":
      return "whether the change was stored could not be learned; retry with the same Idempotency-Key"
    case "Defect":
      return internal.message
    case "DeadlineExceeded":
      return "the deadline passed"
    default:
      return failure.message
  }
}

const detailsOf = (failure: Failure): ReadonlyArray<Detail> => {
  switch (failure._tag) {
    case "Invalid": {
      const fieldViolations = failure.violations.map(({ field, rule }) => ({ field, description: rule }))
      return [{ desc: BadRequestSchema, value: create(BadRequestSchema, { fieldViolations }) }]
    }
    case "Conflict": {
      const metadata = { current_version: String(failure.current) }
      const info = create(ErrorInfoSchema, { reason: "VERSION_MISMATCH", domain: "stategate", metadata })
      return [{ desc: ErrorInfoSchema, value: info }]
    }
    default:
      return []
  }
}

const headersOf = (failure: Failure): Readonly<Record<string, string>> => {
  switch (failure._tag) {
    case "Conflict":
      return { "stategate-version": String(failure.current) }
    case "Overloaded":
      return { "retry-after": "1" }
    case "Unauthenticated":
      return { "www-authenticate": failure.error === undefined ? "Bearer" : `Bearer error="${failure.error}"` }
    case "PermissionDenied":
      return failure.scope === undefined
        ? {}
        : { "www-authenticate": `Bearer error="insufficient_scope", scope="${failure.scope}"` }
    default:
      return {}
  }
}
