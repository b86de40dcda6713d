import { type Clock, Effect } from "effect"
import { monotonicMillis } from "../monotonic.ts"

/** A stream that waits for something to do, and how long it may be silent. */
export interface Silent {
  /** On the monotonic clock. */
  readonly untilMs: number
  /** Called once, when that time has come, unless the stream was removed by then. */
  readonly speak: () => void
}

/**
 * Wakes streams that have been silent for long enough, with one timer for all of them: a timer for each time that a stream
 * waits would cost more than what it waits for.
 */
export class Heartbeats {
  readonly #silent = new Set<Silent>()
  readonly #clock: Clock.Clock
  readonly #start: (work: Effect.Effect<void>) => void
  /** When they are looked at next. */
  #nextMs = Number.POSITIVE_INFINITY

  constructor(clock: Clock.Clock, start: (work: Effect.Effect<void>) => void) {
    this.#clock = clock
    this.#start = start
  }

  add(silent: Silent): void {
    this.#silent.add(silent)
    if (silent.untilMs < this.#nextMs) this.#lookAt(silent.untilMs)
  }

  remove(silent: Silent): void {
    this.#silent.delete(silent)
  }

  #lookAt(untilMs: number): void {
    this.#nextMs = untilMs
    const leftMs = untilMs - monotonicMillis(this.#clock)
    this.#start(
      Effect.andThen(
        Effect.sleep(Math.max(0, leftMs)),
        Effect.sync(() => this.#look(untilMs))
      )
    )
  }

  #look(untilMs: number): void {
    // Somebody had less time, and was looked at before.
    if (this.#nextMs !== untilMs) return
    this.#nextMs = Number.POSITIVE_INFINITY
    const now = monotonicMillis(this.#clock)
    let nextMs = Number.POSITIVE_INFINITY
    for (const silent of this.#silent) {
      if (silent.untilMs > now) nextMs = Math.min(nextMs, silent.untilMs)
      else if (this.#silent.delete(silent)) silent.speak()
    }
    if (nextMs < this.#nextMs) this.#lookAt(nextMs)
  }
}
