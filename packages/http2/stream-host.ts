import type { Code } from "./frames.ts"
import type { Output } from "./output.ts"
import type { ParkedRequests } from "./parked-requests.ts"
import type { SendScheduler } from "./send-scheduler.ts"
import type { Stream } from "./stream.ts"

/** Receives the events of one stream; implemented by the code that serves it. */
export interface Receiver {
  /**
   * A piece of the body. It is a view of a larger input buffer, so copy it to keep it. Call `taken` once it is used up:
   * until then the client can send no more than one window.
   */
  readonly onData: (bytes: Buffer, isLast: boolean) => void
  /** The request is complete. */
  readonly onEnd: () => void
  /** The send queue is empty again: the next `write` may be made. */
  readonly onDrain: () => void
  /** The stream is closed. The code is 0 when all went well. Called once, and last. */
  readonly onClose: (code: Code) => void
}

export const noReceiver: Receiver = { onData: () => {}, onEnd: () => {}, onDrain: () => {}, onClose: () => {} }

/** What a stream needs from its connection. */
export interface StreamHost {
  readonly output: Output
  readonly scheduler: SendScheduler
  /** Memory held for streams changed by `bytes`, `answerBytes` of them in complete answers. */
  readonly charge: (bytes: number, answerBytes: number) => void
  /** Calls the code that serves a stream. An exception ends that stream, and nothing else. */
  readonly serve: (stream: Stream, act: () => void) => void
  /** Bounds how many requests start before their answers are counted. */
  readonly parked: Pick<ParkedRequests, "settle" | "inTurn">
  readonly took: (bytes: number) => void
  /** The answer is complete; the rest of the request is not needed. */
  readonly answered: (stream: Stream) => void
  readonly closed: (stream: Stream, isReset: boolean) => void
  /** The stream is closed and its handler is done. */
  readonly freed: (stream: Stream) => void
}
