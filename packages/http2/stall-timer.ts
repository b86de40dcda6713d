/** Measures how long a value has not changed, by regular looks at it. `undefined` means that nothing is timed. */
export class StallTimer {
  #value: unknown
  #since = 0

  ms(value: unknown, now: number): number {
    if (value === undefined || value !== this.#value) this.#since = now
    this.#value = value
    return now - this.#since
  }
}
