import type { ConnectionAdmission } from "./admission.ts"
import type { Http2Limits } from "./limits.ts"
import type { Output } from "./output.ts"
import type { Stream } from "./stream.ts"

/** What the streams need from their connection. */
export interface StreamsOptions {
  readonly limits: Http2Limits
  readonly output: Output
  readonly admission: ConnectionAdmission
  /** The send window of a new stream, in bytes. */
  readonly windowBytes: () => number
  readonly onStream: (stream: Stream) => void
  /** Called with what the code that serves a stream threw. */
  readonly onFault: (cause: unknown) => void
  /** Called for each stream that ended without an answer, and for each frame without effect: both are flood-limited. */
  readonly onFailed: () => void
  readonly onIdle: () => void
  /** Called for each WINDOW_UPDATE of a few bytes. */
  readonly onDribble: () => void
  /** The last stream has closed. */
  readonly onEmpty: () => void
}
