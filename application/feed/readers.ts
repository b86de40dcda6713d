import type { Reader } from "./reader.ts"

/** All readers of a feed. Readers of a single domain are indexed by it, so that an event costs nothing for the others. */
export class Readers {
  readonly all = new Set<Reader>()
  readonly #byDomain = new Map<string, Set<Reader>>()
  readonly #byGlob = new Set<Reader>()

  add(reader: Reader): void {
    const { literal } = reader.globs.domain
    this.all.add(reader)
    if (literal === undefined) this.#byGlob.add(reader)
    else this.#byDomain.set(literal, (this.#byDomain.get(literal) ?? new Set()).add(reader))
  }

  remove(reader: Reader): void {
    const { literal } = reader.globs.domain
    this.all.delete(reader)
    this.#byGlob.delete(reader)
    if (literal === undefined) return
    const others = this.#byDomain.get(literal)
    others?.delete(reader)
    if (others?.size === 0) this.#byDomain.delete(literal)
  }

  /** A new set of the readers that cover a domain. */
  covering(domain: string): Set<Reader> {
    const readers = new Set(this.#byDomain.get(domain))
    for (const reader of this.#byGlob) if (reader.covers(domain)) readers.add(reader)
    return readers
  }
}
