import { codes, windowBytes, windowBytesMax, windowTooLarge } from "./frames.ts"
import type { Output } from "./output.ts"
import type { Stream } from "./stream.ts"

/** The streams of a connection that have more to send than they may, in the order in which they get to. */
export class SendLine {
  /** What may be sent on all streams together. */
  window = windowBytes
  /** The peer sends nothing more: no window grows any more. */
  isSilent = false
  readonly #output: Output
  readonly #waiting = new Set<Stream>()

  constructor(output: Output) {
    this.#output = output
  }

  /** Lets a stream wait until more may be sent. */
  join(stream: Stream): void {
    this.#waiting.add(stream)
  }

  leave(stream: Stream): void {
    this.#waiting.delete(stream)
  }

  /** The peer takes more on all streams together. */
  grow(bytes: number): void {
    this.window += bytes
    if (this.window > windowBytesMax) throw windowTooLarge
    this.pump()
  }

  /** Gives turns to those that wait, as long as anything may be sent; one that has to wait again does so behind the others. */
  pump(): void {
    while (this.window > 0 && !this.#output.isFull) {
      const next = this.#waiting.values().next().value
      if (next === undefined) return
      this.#waiting.delete(next)
      next.pump()
    }
    if (this.isSilent && this.window <= 0) {
      for (const stream of this.#waiting) stream.close(codes.cancel, false)
    }
  }
}
