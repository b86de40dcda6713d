import type { ConnectionAdmission } from "./admission.ts"
import type { Http2Limits } from "./limits.ts"
import type { Output } from "./output.ts"
import type { Stream } from "./stream.ts"

/** What the streams of a connection need of it. */
export interface StreamsOptions {
  readonly limits: Http2Limits
  readonly output: Output
  readonly admission: ConnectionAdmission
  /** What may be sent on a stream that begins now. */
  readonly windowBytes: () => number
  readonly onStream: (stream: Stream) => void
  /** Whoever serves a stream made a mistake. */
  readonly onFault: (cause: unknown) => void
  /** Called for each stream that ended without an answer, and for each frame that did nothing: both are bounded. */
  readonly onFailed: () => void
  readonly onIdle: () => void
  /** Called for each WINDOW_UPDATE that lets a few bytes through. */
  readonly onDribble: () => void
  /** The last stream is over. */
  readonly onEmpty: () => void
}
