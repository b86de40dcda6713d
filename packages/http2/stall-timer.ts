/** How long something has been the same, for whoever looks at it now and then. What is undefined is not there. */
export class StallTimer {
  #value: unknown
  #since = 0

  ms(value: unknown, now: number): number {
    if (value === undefined || value !== this.#value) this.#since = now
    this.#value = value
    return now - this.#since
  }
}
