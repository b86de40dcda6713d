import type { Reader } from "./reader.ts"

/** All readers of a feed. Those of one domain by name are apart, so that what thousands of them do not cover costs nothing. */
export class Readers {
  readonly all = new Set<Reader>()
  readonly #narrow = new Map<string, Set<Reader>>()
  readonly #wide = new Set<Reader>()

  add(reader: Reader): void {
    const { literal } = reader.globs.domain
    this.all.add(reader)
    if (literal === undefined) this.#wide.add(reader)
    else this.#narrow.set(literal, (this.#narrow.get(literal) ?? new Set()).add(reader))
  }

  remove(reader: Reader): void {
    const { literal } = reader.globs.domain
    this.all.delete(reader)
    this.#wide.delete(reader)
    if (literal === undefined) return
    const others = this.#narrow.get(literal)
    others?.delete(reader)
    if (others?.size === 0) this.#narrow.delete(literal)
  }

  /** A new set of those that cover a domain. */
  covering(domain: string): Set<Reader> {
    const readers = new Set(this.#narrow.get(domain))
    for (const reader of this.#wide) if (reader.covers(domain)) readers.add(reader)
    return readers
  }
}
