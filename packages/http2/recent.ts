/** The latest of many numbers. */
export class Recent {
  readonly #numbers = new Set<number>()
  readonly #max: number

  constructor(max: number) {
    this.#max = max
  }

  has(number: number): boolean {
    return this.#numbers.has(number)
  }

  add(number: number): void {
    this.#numbers.add(number)
    if (this.#numbers.size > this.#max) this.#numbers.delete(this.#numbers.values().next().value!)
  }
}
