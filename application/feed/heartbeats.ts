import { type Clock, Effect } from "effect"
import { monotonicMillis } from "../monotonic.ts"

/** A stream that waits for events, and how long it may stay silent. */
export interface WaitingStream {
  /** Monotonic time, in milliseconds, at which it sends a heartbeat. */
  readonly untilMs: number
  /** Called once at that time, unless the stream was removed before. */
  readonly onTimeout: () => void
}

/**
 * Wakes streams that have been silent for the heartbeat interval. All streams share one timer: a timer for each wait of
 * each stream would cost more than the event that it waits for.
 */
export class Heartbeats {
  readonly #waiting = new Set<WaitingStream>()
  readonly #clock: Clock.Clock
  readonly #start: (work: Effect.Effect<void>) => void
  /** When the timer fires next. */
  #nextMs = Number.POSITIVE_INFINITY

  constructor(clock: Clock.Clock, start: (work: Effect.Effect<void>) => void) {
    this.#clock = clock
    this.#start = start
  }

  add(stream: WaitingStream): void {
    this.#waiting.add(stream)
    if (stream.untilMs < this.#nextMs) this.#schedule(stream.untilMs)
  }

  remove(stream: WaitingStream): void {
    this.#waiting.delete(stream)
  }

  #schedule(untilMs: number): void {
    this.#nextMs = untilMs
    const leftMs = untilMs - monotonicMillis(this.#clock)
    this.#start(
      Effect.andThen(
        Effect.sleep(Math.max(0, leftMs)),
        Effect.sync(() => this.#expire(untilMs))
      )
    )
  }

  #expire(untilMs: number): void {
    // A later call of `#schedule` set an earlier time.
    if (this.#nextMs !== untilMs) return
    this.#nextMs = Number.POSITIVE_INFINITY
    const now = monotonicMillis(this.#clock)
    let nextMs = Number.POSITIVE_INFINITY
    for (const stream of this.#waiting) {
      if (stream.untilMs > now) nextMs = Math.min(nextMs, stream.untilMs)
      else if (this.#waiting.delete(stream)) stream.onTimeout()
    }
    if (nextMs < this.#nextMs) this.#schedule(nextMs)
  }
}
