import type { ConnectionAdmission } from "./admission.ts"
import type { Http2Limits } from "./limits.ts"
import type { Stream } from "./stream.ts"

export interface ConnectionOptions {
  readonly limits: Http2Limits
  readonly admission: ConnectionAdmission
  /** Serves a stream: sets its receiver and answers. */
  readonly onStream: (stream: Stream) => void
  /** Called with what a handler, or this package, threw: neither may end the process. */
  readonly onFault: (cause: unknown) => void
  readonly onClose: () => void
}
