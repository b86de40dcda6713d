import { Effect, Latch, Layer, Result } from "effect"
import { MemoryStore, port } from "../../adapters/storage/memory/store.ts"
import type { OutcomeUnknown, Unavailable } from "../../application/failure.ts"
import { type Committed, EventStore, type Unit } from "../../application/ports/EventStore.ts"

export type Commit = ReturnType<EventStore["Service"]["commit"]>

/** The memory store behind a gate: commits can be held on their way in, and go wrong in every way that a store can. */
export class GatedStore {
  readonly memory = new MemoryStore()
  /** Closed, it holds commits before they reach the store. */
  readonly gate = Latch.makeUnsafe(true)
  /** Whether those who have come meanwhile may join a commit that passes it. */
  joins = false
  /** Closed, it holds commits that tell of some units early, before they tell of the others. */
  readonly late = Latch.makeUnsafe(true)
  /** The domains of those that are told of early. */
  early: ReadonlyArray<string> = []
  /** Commits that wait at the gate. */
  readonly #waiting = new Set<ReadonlyArray<Unit>>()
  /** For each commit that came to the gate, its domains and how many entities each names. */
  readonly commits: Array<ReadonlyArray<readonly [domain: string, refs: number]>> = []
  /** What becomes of a commit that passed the gate. */
  fault: (commit: Commit) => Commit = (commit) => commit
  #flying: Array<string> = []
  #underWay = 0
  /** Most commits that were under way at once. */
  flyingMost = 0

  /** A fault that touches nothing and answers with a failure. */
  static readonly refusing = (failure: Unavailable | OutcomeUnknown) => (commit: Commit) =>
    Effect.map(commit, (heads) => heads.map(() => Result.fail(failure)))

  layer(capacity: Partial<EventStore["Service"]["capacity"]> = {}): Layer.Layer<EventStore> {
    const store = port(this.memory)
    const commit = Effect.fnUntraced(
      { self: this },
      function* (this: GatedStore, units: ReadonlyArray<Unit>, told: Parameters<EventStore["Service"]["commit"]>[1]) {
        this.commits.push(units.map(({ domain, refs }) => [domain, refs.length]))
        const domains = units.map(({ domain }) => domain)
        const twice = domains.find((domain, i) => this.#flying.includes(domain) || domains.indexOf(domain) !== i)
        if (twice !== undefined) throw new Error(`two commits of ${twice} at once`)
        this.#flying.push(...domains)
        this.flyingMost = Math.max(this.flyingMost, ++this.#underWay)
        const left = (some: ReadonlyArray<string>) => {
          this.#flying = this.#flying.filter((domain) => !some.includes(domain))
        }
        const landed = Effect.sync(() => {
          this.#underWay--
          left(domains)
        })
        const tellEarly = (results: ReadonlyArray<Committed>) => {
          const early = domains.filter((domain) => this.early.includes(domain))
          if (early.length === 0) return Effect.void
          left(early)
          for (const [i, domain] of domains.entries()) if (early.includes(domain)) told?.(i, results[i]!)
          return this.late.await
        }
        this.#waiting.add(units)
        return yield* Effect.ensuring(
          Effect.andThen(
            this.gate.await,
            Effect.suspend(() => {
              this.#waiting.delete(units)
              if (this.joins) for (const { join } of units) join?.()
              return this.fault(Effect.tap(store.commit(units), tellEarly))
            })
          ),
          landed
        )
      }
    )
    return Layer.succeed(EventStore, { ...store, capacity: { ...store.capacity, ...capacity }, commit })
  }

  /** Commits that wait get on, as they do where others' turns pass. */
  readonly getOn = Effect.sync(() => {
    for (const units of this.#waiting) for (const { join } of units) join?.()
  })

  /** The keys of the entities of a domain's events, in order. */
  keys(domain: string): ReadonlyArray<string> {
    return this.memory.log(domain).map(({ entity }) => entity.key)
  }
}

/** Lets everything that can go on do so, until all wait for something. */
export const settle = Effect.forEach(Array.from({ length: 40 }), () => Effect.yieldNow, { discard: true })
