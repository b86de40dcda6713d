import { claimSlotMsMin, contenderDomainsMax, contenderRounds, peerCommitMs, peerCommitMsMax } from "../../limits.ts"

interface Contenders {
  /** When a record of each was last found in the way, in milliseconds. */
  readonly seenAt: Map<string, number>
  /** The gateway that wrote the last record known of. */
  last: string
}

/**
 * Spreads over time the inserts of gateways that commit to one domain. Inserting at once they would undo each other's
 * decisions, and a database takes many times as long to choose between inserts as for one. So the gateways whose records
 * were found lately take slots in the order of their names, and an unused slot passes after a moment. Slots only save
 * time: which record is inserted first decides, whatever the slots say.
 */
export class ClaimSlots {
  /** The first part of every record id of this gateway. */
  readonly #name = crypto.randomUUID()
  readonly #domains = new Map<string, Contenders>()
  /** Average milliseconds from the start of a slot to the answer of the insert, and from there to the end of the commit. */
  #insertMs = peerCommitMs / 2
  #projectMs = peerCommitMs / 2

  newId(): string {
    return `${this.#name}/${crypto.randomUUID()}`
  }

  /** Milliseconds after which an unused slot passes. */
  get slotMs(): number {
    return 3 * this.#insertMs
  }

  /** Takes note of a record. All gateways whose record ids hold no name count as one. */
  onRecord(domain: string, id: string, now: number): void {
    const name = id.slice(0, Math.max(0, id.indexOf("/")))
    let contenders = this.#domains.get(domain)
    if (contenders === undefined) {
      if (this.#domains.size >= contenderDomainsMax) this.#domains.clear()
      contenders = { seenAt: new Map(), last: name }
      this.#domains.set(domain, contenders)
    }
    contenders.last = name
    if (name !== this.#name) contenders.seenAt.set(name, now)
  }

  /** Takes note of how long a slot took to the answer of its insert, whichever record that found. */
  onInsert(ms: number): void {
    this.#insertMs = ewma(this.#insertMs, ms)
  }

  /** Takes note of an own commit, and how long it took after its insert. */
  onCommit(domain: string, ms: number): void {
    this.#projectMs = ewma(this.#projectMs, ms)
    const contenders = this.#domains.get(domain)
    if (contenders !== undefined) contenders.last = this.#name
  }

  /** How many slots of other gateways come first. */
  ahead(domain: string, now: number): number {
    const contenders = this.#domains.get(domain)
    if (contenders === undefined) return 0
    const since = now - contenderRounds * (this.#insertMs + this.#projectMs) * (contenders.seenAt.size + 1)
    for (const [name, at] of contenders.seenAt) if (at < since) contenders.seenAt.delete(name)
    if (contenders.seenAt.size === 0) {
      this.#domains.delete(domain)
      return 0
    }
    const ring = [...new Set([...contenders.seenAt.keys(), this.#name, contenders.last])].sort()
    const afterLast = (ring.indexOf(this.#name) - ring.indexOf(contenders.last) + ring.length) % ring.length
    return (afterLast === 0 ? ring.length : afterLast) - 1
  }
}

/** The average of durations in milliseconds, with a new one. A long halt counts as `peerCommitMsMax`. */
export const ewma = (average: number, ms: number): number =>
  Math.max(claimSlotMsMin, average + (Math.min(ms, peerCommitMsMax) - average) / 8)
