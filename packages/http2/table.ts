import { type Field, fieldBytes, staticFields, tableBytes } from "./fields.ts"

/** The HPACK table of one direction: the static entries, then the dynamic ones, newest first (RFC 7541, 2.3). */
export class FieldTable {
  #newest: Array<Field> = []
  #bytes = 0
  #bytesMax = tableBytes
  /** Number of changes so far. As long as it stays the same, so does the meaning of every index. */
  changes = 0

  /** The field at an index, or undefined. */
  at(index: number): Field | undefined {
    return index <= staticFields.length ? staticFields[index - 1] : this.#newest[index - 1 - staticFields.length]
  }

  add(field: Field): void {
    this.changes += 1
    this.#bytes += fieldBytes(...field)
    this.#newest.unshift(field)
    this.#evict()
  }

  resize(bytesMax: number): void {
    this.changes += 1
    this.#bytesMax = bytesMax
    this.#evict()
  }

  #evict(): void {
    while (this.#bytes > this.#bytesMax) this.#bytes -= fieldBytes(...this.#newest.pop()!)
  }
}
