import { Effect, Latch, Layer, Result } from "effect"
import { MemoryStore, port } from "../../adapters/storage/memory/store.ts"
import type { OutcomeUnknown, Unavailable } from "../../application/failure.ts"
import { type Batch, type BatchResult, EventStore } from "../../application/ports/EventStore.ts"

export type Commit = ReturnType<EventStore["Service"]["commit"]>

/** The memory store behind a gate: commits can be held before they begin, and can fail in every way. */
export class GatedStore {
  readonly memory = new MemoryStore()
  /** Closed, it holds commits before they reach the store. */
  readonly gate = Latch.makeUnsafe(true)
  /** Whether a commit that passes the gate takes jobs that have arrived meanwhile. */
  takesLaterJobs = false
  /** Closed, it holds commits that report some batches early, before they report the others. */
  readonly late = Latch.makeUnsafe(true)
  /** The domains of the batches that are reported early. */
  early: ReadonlyArray<string> = []
  /** Commits that wait at the gate, with their current batches. */
  readonly #waiting = new Set<{ batches: ReadonlyArray<Batch> }>()
  /** For each commit that came to the gate, its domains and how many entities each names. */
  readonly commits: Array<ReadonlyArray<readonly [domain: string, refs: number]>> = []
  /** Changes the outcome of a commit that passed the gate. */
  fault: (commit: Commit) => Commit = (commit) => commit
  #inFlight: Array<string> = []
  #open = 0
  /** The most commits that were in flight at once. */
  inFlightMost = 0

  /** A fault that touches nothing and answers with a failure. */
  static readonly refusing = (failure: Unavailable | OutcomeUnknown) => (commit: Commit) =>
    Effect.map(commit, (heads) => heads.map(() => Result.fail(failure)))

  layer(capacity: Partial<EventStore["Service"]["capacity"]> = {}): Layer.Layer<EventStore> {
    const store = port(this.memory)
    const commit = Effect.fnUntraced(
      { self: this },
      function* (
        this: GatedStore,
        batches: ReadonlyArray<Batch>,
        onBatchCommitted: Parameters<EventStore["Service"]["commit"]>[1]
      ) {
        this.commits.push(batches.map(({ domain, refs }) => [domain, refs.length]))
        const domains = batches.map(({ domain }) => domain)
        const twice = domains.find((domain, i) => this.#inFlight.includes(domain) || domains.indexOf(domain) !== i)
        if (twice !== undefined) throw new Error(`two commits of ${twice} at once`)
        this.#inFlight.push(...domains)
        this.inFlightMost = Math.max(this.inFlightMost, ++this.#open)
        const left = (some: ReadonlyArray<string>) => {
          this.#inFlight = this.#inFlight.filter((domain) => !some.includes(domain))
        }
        const completed = Effect.sync(() => {
          this.#open--
          left(domains)
        })
        const reportEarly = (results: ReadonlyArray<BatchResult>) => {
          const early = domains.filter((domain) => this.early.includes(domain))
          if (early.length === 0) return Effect.void
          left(early)
          for (const [i, domain] of domains.entries()) if (early.includes(domain)) onBatchCommitted?.(i, results[i]!)
          return this.late.await
        }
        const waiting = { batches }
        this.#waiting.add(waiting)
        return yield* Effect.ensuring(
          Effect.andThen(
            this.gate.await,
            Effect.suspend(() => {
              this.#waiting.delete(waiting)
              if (this.takesLaterJobs) addLaterJobs(waiting)
              return this.fault(Effect.tap(store.commit(waiting.batches), reportEarly))
            })
          ),
          completed
        )
      }
    )
    return Layer.succeed(EventStore, { ...store, capacity: { ...store.capacity, ...capacity }, commit })
  }

  /** Commits that wait make progress, as they do while other gateways have their slots. */
  readonly progress = Effect.sync(() => {
    for (const waiting of this.#waiting) addLaterJobs(waiting)
  })

  /** The batches of the commits that wait at the gate. */
  get waitingBatches(): ReadonlyArray<Batch> {
    return [...this.#waiting].flatMap(({ batches }) => batches)
  }

  /** Makes the commit that waits at the gate go on with these batches. */
  useBatches(batches: ReadonlyArray<Batch>): void {
    for (const waiting of this.#waiting) waiting.batches = batches
  }

  /** The keys of the entities of a domain's events, in order. */
  keys(domain: string): ReadonlyArray<string> {
    return this.memory.log(domain).map(({ entity }) => entity.key)
  }
}

/** Runs until every fiber waits for something outside. */
export const settle = Effect.forEach(Array.from({ length: 40 }), () => Effect.yieldNow, { discard: true })

const addLaterJobs = (waiting: { batches: ReadonlyArray<Batch> }): void => {
  waiting.batches = waiting.batches.map((batch) => batch.withLaterJobs?.() ?? batch)
}
