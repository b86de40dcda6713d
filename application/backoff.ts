/** A pause that doubles with each failure in a row, and starts again when none has occurred for twice the maximum. */
export class Backoff {
  readonly #firstMs: number
  readonly #baseMs: number
  readonly #maxMs: number
  #pauseMs = 0
  #lastMs = Number.NEGATIVE_INFINITY

  /** The first pause may be shorter than the base that is doubled, or 0. */
  constructor({ firstMs, baseMs, maxMs }: { firstMs: number; baseMs: number; maxMs: number }) {
    this.#firstMs = firstMs
    this.#baseMs = baseMs
    this.#maxMs = maxMs
  }

  /** Milliseconds to wait after a failure at this monotonic time. */
  next(nowMs: number): number {
    const isFirst = nowMs - this.#lastMs > 2 * this.#maxMs
    this.#lastMs = nowMs
    this.#pauseMs = isFirst ? this.#firstMs : Math.min(Math.max(2 * this.#pauseMs, this.#baseMs), this.#maxMs)
    return this.#pauseMs
  }
}
