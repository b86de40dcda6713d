import { hash } from "node:crypto"
import { tokenCacheBytesMax, tokenCacheEntriesMax } from "../../application/limits.ts"

/** Something that may be remembered of a token. */
interface Remembered {
  /** Milliseconds since the epoch at which it is forgotten. */
  readonly untilMs: number
  /** What signed the token; undefined where nothing can be taken back. */
  readonly key?: { readonly isRevoked: boolean }
  /** Bytes of memory that it takes, roughly. */
  readonly bytes: number
}

/** What tokens are known by: the cache must not hold what a dump of it would give away. */
export const digestOf = (token: string): string => hash("sha256", token, "base64")

/** Answers about tokens, by the digest of the token, until they expire. The least recently used go first. */
export class TokenCache<A extends Remembered> {
  readonly #entries = new Map<string, A>()
  readonly #entriesMax: number
  readonly #bytesMax: number
  #bytes = 0

  constructor({ entriesMax = tokenCacheEntriesMax, bytesMax = tokenCacheBytesMax } = {}) {
    this.#entriesMax = entriesMax
    this.#bytesMax = bytesMax
  }

  get size(): number {
    return this.#entries.size
  }

  get bytes(): number {
    return this.#bytes
  }

  get(digest: string, nowMs: number): A | undefined {
    const found = this.#entries.get(digest)
    if (found === undefined) return undefined
    this.#entries.delete(digest)
    if (nowMs >= found.untilMs || found.key?.isRevoked) {
      this.#bytes -= found.bytes
      return undefined
    }
    // To the end of the line.
    this.#entries.set(digest, found)
    return found
  }

  set(digest: string, entry: A): void {
    this.#forget(digest)
    this.#entries.set(digest, entry)
    this.#bytes += entry.bytes
    for (const [oldest] of this.#entries) {
      if (this.#entries.size <= this.#entriesMax && this.#bytes <= this.#bytesMax) return
      this.#forget(oldest)
    }
  }

  #forget(digest: string): void {
    const found = this.#entries.get(digest)
    if (found === undefined) return
    this.#entries.delete(digest)
    this.#bytes -= found.bytes
  }
}
