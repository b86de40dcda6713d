import { codes, windowBytes, windowBytesMax, windowTooLarge } from "./frames.ts"
import type { Output } from "./output.ts"
import type { Stream } from "./stream.ts"

/** Shares the send window of a connection between the streams that have more to send, in round-robin order. */
export class SendScheduler {
  /** The connection's send window: bytes that may be sent on all streams together. */
  window = windowBytes
  /** The peer has closed its side, so no window grows any more. */
  hasPeerEnded = false
  readonly #output: Output
  readonly #waiting = new Set<Stream>()

  constructor(output: Output) {
    this.#output = output
  }

  /** Adds a stream that waits until more may be sent. */
  join(stream: Stream): void {
    this.#waiting.add(stream)
  }

  leave(stream: Stream): void {
    this.#waiting.delete(stream)
  }

  /** The peer enlarged the connection's window. */
  grow(bytes: number): void {
    this.window += bytes
    if (this.window > windowBytesMax) throw windowTooLarge
    this.pump()
  }

  /** Lets waiting streams send, one after the other, while the window lasts. One that must wait again goes to the end. */
  pump(): void {
    while (this.window > 0 && !this.#output.isFull) {
      const next = this.#waiting.values().next().value
      if (next === undefined) return
      this.#waiting.delete(next)
      next.pump()
    }
    if (this.hasPeerEnded && this.window <= 0) {
      for (const stream of this.#waiting) stream.close(codes.cancel, false)
    }
  }
}
