import { Context } from "effect"

/** One finished call, as logs and metrics see it. Never what was in it. */
export interface CallRecord {
  /** Such as `/stategate.EntityService/Set`. */
  readonly method: string
  /** What the caller used: grpc, grpc-web, connect, rest, ndjson or sse. */
  readonly protocol: string
  /** A gRPC code in lower case, such as `ok` or `not_found`. */
  readonly code: string
  readonly durationMs: number
  readonly callId: string
  readonly domain?: string
  readonly type?: string
  /** Messages that a stream has sent. */
  readonly sent?: number
  /** What went wrong inside; for operators, never for callers. */
  readonly cause?: unknown
}

/** Watches calls go by. */
export class Observer extends Context.Service<Observer, { readonly called: (record: CallRecord) => void }>()(
  "stategate/application/Observer"
) {}
