/** A pause that doubles while one reason for it follows another, and is as at first when none came for a while. */
export class Backoff {
  readonly #firstMs: number
  readonly #baseMs: number
  readonly #maxMs: number
  #pauseMs = 0
  #lastMs = Number.NEGATIVE_INFINITY

  /** The first pause may be shorter than the one that is doubled, or none. */
  constructor({ firstMs, baseMs, maxMs }: { firstMs: number; baseMs: number; maxMs: number }) {
    this.#firstMs = firstMs
    this.#baseMs = baseMs
    this.#maxMs = maxMs
  }

  /** How many milliseconds to wait, for a reason that there is now, by the monotonic clock. */
  next(nowMs: number): number {
    const isFirst = nowMs - this.#lastMs > 2 * this.#maxMs
    this.#lastMs = nowMs
    this.#pauseMs = isFirst ? this.#firstMs : Math.min(Math.max(2 * this.#pauseMs, this.#baseMs), this.#maxMs)
    return this.#pauseMs
  }
}
