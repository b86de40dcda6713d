import { type Field, fieldBytes, staticFields, tableBytes } from "./fields.ts"

/** The fields that one direction of a connection has seen, newest first, behind those that all begin with (RFC 7541, 2.3). */
export class FieldTable {
  #newest: Array<Field> = []
  #bytes = 0
  #bytesMax = tableBytes
  /** How often it has changed: what an index meant at one count, it means as long as that stands. */
  changes = 0

  /** The field at an index; undefined when there is none. */
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
