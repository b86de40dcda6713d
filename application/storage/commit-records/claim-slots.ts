import { claimMsMin, claimWaitMs, claimWaitMsMax, rivalDomainsMax, rivalRounds } from "../../limits.ts"

interface Rivals {
  /** When a record of each was last in the way. */
  readonly seen: Map<string, number>
  /** Whose record was the last that is known. */
  last: string
}

/**
 * Whose turn it is to claim, where several gateways want to. If all did at once, they would be in each other's way: each
 * would read what it decides on, one could claim it, and a database that has to choose between claims takes many times
 * as long as for one. So those whose records were found lately claim one after the other, in the order of their names;
 * who has nothing to claim is passed over after a moment. It is only ever a matter of time: claims decide.
 */
export class Turns {
  /** What the records of this gateway begin with, and of no other. */
  readonly #name = crypto.randomUUID()
  readonly #domains = new Map<string, Rivals>()
  /** Milliseconds from a turn to the answer to its claim, and on to the end of the commit, as they were lately. */
  #claimMs = claimWaitMs / 2
  #restMs = claimWaitMs / 2

  newId(): string {
    return `${this.#name}/${crypto.randomUUID()}`
  }

  /** Milliseconds after which a turn that nobody has taken is passed on. */
  get slotMs(): number {
    return 3 * this.#claimMs
  }

  /** A record of somebody else was found. Those of gateways that name none of theirs are taken for one gateway's. */
  lost(domain: string, id: string, now: number): void {
    const name = id.slice(0, Math.max(0, id.indexOf("/")))
    let rivals = this.#domains.get(domain)
    if (rivals === undefined) {
      if (this.#domains.size >= rivalDomainsMax) this.#domains.clear()
      rivals = { seen: new Map(), last: name }
      this.#domains.set(domain, rivals)
    }
    rivals.last = name
    if (name !== this.#name) rivals.seen.set(name, now)
  }

  /** A claim was answered within so many milliseconds from its turn, whoever made it. */
  claimed(ms: number): void {
    this.#claimMs = usual(this.#claimMs, ms)
  }

  /** It was this gateway's, and the rest of the commit was over within so many more. */
  won(domain: string, ms: number): void {
    this.#restMs = usual(this.#restMs, ms)
    const rivals = this.#domains.get(domain)
    if (rivals !== undefined) rivals.last = this.#name
  }

  /** How many others may claim first. */
  ahead(domain: string, now: number): number {
    const rivals = this.#domains.get(domain)
    if (rivals === undefined) return 0
    const since = now - rivalRounds * (this.#claimMs + this.#restMs) * (rivals.seen.size + 1)
    for (const [name, at] of rivals.seen) if (at < since) rivals.seen.delete(name)
    if (rivals.seen.size === 0) {
      this.#domains.delete(domain)
      return 0
    }
    const ring = [...new Set([...rivals.seen.keys(), this.#name, rivals.last])].sort()
    const behindLast = (ring.indexOf(this.#name) - ring.indexOf(rivals.last) + ring.length) % ring.length
    return (behindLast === 0 ? ring.length : behindLast) - 1
  }
}

/** What something takes usually, in milliseconds, now that it took so long once: of a halt, only so much counts. */
export const usual = (before: number, ms: number): number =>
  Math.max(claimMsMin, before + (Math.min(ms, claimWaitMsMax) - before) / 8)
