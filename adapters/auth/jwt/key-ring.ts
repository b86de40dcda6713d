import type { KeysStatus } from "../../../application/ports/Authenticator.ts"
import type { Algorithm } from "./algorithms.ts"
import type { KeySet, VerificationKey } from "./key-set.ts"

/** The keys of one issuer as they were last read. */
export class KeyRing {
  readonly #ageMsMax: number
  #keys: ReadonlyArray<VerificationKey> = []
  #readAtMs = Number.NEGATIVE_INFINITY
  #isFresh = false

  /** Keys that could not be read again for longer than this do not count any more. */
  constructor(ageMsMax: number) {
    this.#ageMsMax = ageMsMax
  }

  get size(): number {
    return this.#keys.length
  }

  /** Takes the place of the keys before. One that stays is the same object, and one that does not is revoked. */
  replace({ keys }: KeySet, nowMs: number): void {
    const before = new Map(this.#keys.map((key) => [key.identity, key]))
    this.#keys = keys.map((key) => before.get(key.identity) ?? key)
    const after = new Set(this.#keys)
    for (const key of before.values()) if (!after.has(key)) key.isRevoked = true
    this.confirm(nowMs)
  }

  /** The keys are still the ones that the issuer publishes. */
  confirm(nowMs: number): void {
    this.#readAtMs = nowMs
    this.#isFresh = true
  }

  /** The keys could not be read. */
  fail(): void {
    this.#isFresh = false
  }

  /** Milliseconds since the keys were last read; infinite before the first time. */
  ageMs(nowMs: number): number {
    return nowMs - this.#readAtMs
  }

  isUsable(nowMs: number): boolean {
    return this.ageMs(nowMs) <= this.#ageMsMax
  }

  status(nowMs: number): KeysStatus {
    if (!this.isUsable(nowMs)) return "unavailable"
    return this.#isFresh ? "ok" : "stale"
  }

  /** The keys that may have signed a token: all that have the name and fit the algorithm. */
  candidates(kid: string | undefined, algorithm: Algorithm): ReadonlyArray<VerificationKey> {
    return this.#keys.filter((key) => (kid === undefined || key.kid === kid) && key.algorithms.includes(algorithm))
  }

  has(kid: string | undefined): boolean {
    return this.#keys.some((key) => kid === undefined || key.kid === kid)
  }
}
