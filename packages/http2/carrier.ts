import type { Code } from "./frames.ts"
import type { Output } from "./output.ts"
import type { ParkedRequests } from "./parked-requests.ts"
import type { SendLine } from "./send-line.ts"
import type { Stream } from "./stream.ts"

/** What a stream tells whoever serves it. */
export interface Receiver {
  /**
   * A piece of the body, which keeps all that came with it: to be copied by whoever keeps it. Whoever has used it up says
   * so with `taken`; until then no more than a window's worth comes.
   */
  readonly onData: (bytes: Buffer, isLast: boolean) => void
  /** The request is complete. */
  readonly onEnd: () => void
  /** What was queued has left: there is room again. */
  readonly onDrain: () => void
  /** Nothing comes or goes any more. 0 when all went well; told once, and last. */
  readonly onClose: (code: Code) => void
}

export const nobody: Receiver = { onData: () => {}, onEnd: () => {}, onDrain: () => {}, onClose: () => {} }

/** What a stream needs of its connection. */
export interface Carrier {
  readonly output: Output
  readonly line: SendLine
  /** What is held for its streams has changed by so much, and what of it are complete answers. */
  readonly charge: (bytes: number, answerBytes: number) => void
  /** Calls whoever serves a stream. What goes wrong there ends the stream, and nothing else. */
  readonly serve: (stream: Stream, act: () => void) => void
  /** Lets an answer be made before the next one is begun. */
  readonly parked: Pick<ParkedRequests, "settle" | "inTurn">
  readonly took: (bytes: number) => void
  /** The answer is complete; the rest of the request, if any, is of no interest. */
  readonly answered: (stream: Stream) => void
  readonly closed: (stream: Stream, isReset: boolean) => void
  /** It is closed, and nothing works on it any more. */
  readonly freed: (stream: Stream) => void
}
