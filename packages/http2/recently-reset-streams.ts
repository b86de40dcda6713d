/** The ids of the streams that this side reset last, up to a maximum number. */
export class RecentlyResetStreams {
  readonly #ids = new Set<number>()
  readonly #max: number

  constructor(max: number) {
    this.#max = max
  }

  has(id: number): boolean {
    return this.#ids.has(id)
  }

  add(id: number): void {
    this.#ids.add(id)
    if (this.#ids.size > this.#max) this.#ids.delete(this.#ids.values().next().value!)
  }
}
