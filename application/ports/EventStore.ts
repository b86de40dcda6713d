import { Context, type Effect, type Result } from "effect"
import type { Head, Snapshot } from "../../domain/batch.ts"
import type { Entity, Ref, State } from "../../domain/entity.ts"
import type { Event } from "../../domain/event.ts"
import type { Glob } from "../../domain/glob.ts"
import type { Order, Query, SortKey } from "../../domain/query.ts"
import type { TooLarge } from "../../domain/rejection.ts"
import type { Defect, OutcomeUnknown, Unavailable } from "../failure.ts"

/** The jobs of one domain that one commit stores: all of their events or none. Immutable. */
export interface Batch {
  readonly domain: string
  /** The incarnation of the log if this commit begins it; a new one when absent. For logs that come from another store. */
  readonly incarnation?: string
  /**
   * A later version of this batch, with the jobs that have arrived meanwhile. A store may call it before it makes a
   * snapshot for a commit that had to wait, also several times, and uses the result in place of this batch.
   */
  readonly withLaterJobs?: () => Batch
  /** The entities and idempotency keys that `decide` will ask its snapshot for. */
  readonly refs: ReadonlyArray<Ref>
  readonly keys: ReadonlyArray<{ readonly caller: string; readonly key: string }>
  /** Pure. The store calls it again, with a new snapshot, when something was appended meanwhile. */
  readonly decide: (snapshot: Snapshot) => ReadonlyArray<Event>
}

/** The outcome of a batch: the head after its events, or the current head if it appended nothing. */
export type BatchResult = Result.Result<Head, Unavailable | OutcomeUnknown | Defect>

/** Items of one domain and type, in an order, from an offset or a place in the order on. */
export interface Search {
  readonly domain: string
  readonly type: string
  readonly query: Query
  readonly order: Order
  readonly limit: number
  readonly offset: number
  /** The page begins right after this place, whether or not something is still there. The offset is 0 then. */
  readonly after?: SortKey
  /** The page may hold less than `limit` items, or none, where the search would otherwise be refused as too large. */
  readonly partial?: boolean
}

/** An item, and where it stood in the order when it was found. */
export interface Hit<Item> {
  readonly item: Item
  readonly key: SortKey
}

export interface Page<Item> {
  readonly hits: ReadonlyArray<Hit<Item>>
  /**
   * Where the next page begins: right after the last hit, or after an item that was looked at later and did not pass.
   * Undefined at the end. Nothing after it needs to pass.
   */
  readonly last: Hit<Item> | undefined
}

/** Events strictly between two times; 0 is no bound. */
export interface EventSearch extends Search {
  readonly min: bigint
  readonly max: bigint
}

/** Heads that moved, and the token for the next poll. */
export interface Moved {
  readonly heads: ReadonlyArray<Head>
  readonly changeToken: string
}

/**
 * How a store is opened: `create` makes what is not there; `existing` fails where stategate has never kept anything; `read`
 * does too, and changes nothing, so that a gateway may serve the store meanwhile.
 */
export type Opening = "create" | "existing" | "read"

/** The logs and their projection. Every adapter must pass `test/contract/EventStore.ts`. */
export class EventStore extends Context.Service<
  EventStore,
  {
    /** Commits that may be under way at once, and how much one may hold. */
    readonly capacity: {
      readonly commits: number
      /** One, where batches gain nothing from each other: none of them then waits for another's answer. */
      readonly domains: number
      readonly events: number
      readonly bytes: number
    }
    /**
     * For each batch: gives `decide` the domain as it is, appends what it returns right after the head, and updates
     * the projection, all together or not at all, with nothing appended in between. Succeeds, in the order of the
     * batches, once it is durable. Batches are not atomic together: `onBatchCommitted` may be called with the index and the
     * outcome of each as soon as it is over, so that no caller waits for the batches of others.
     */
    readonly commit: (
      batches: ReadonlyArray<Batch>,
      onBatchCommitted?: (batch: number, outcome: BatchResult) => void
    ) => Effect.Effect<ReadonlyArray<BatchResult>>
    /** What the log makes of a ref, tombstones included. Sees every commit that succeeded before the call. */
    readonly state: (ref: Ref) => Effect.Effect<State | undefined, Unavailable>
    /** The event that made this version. */
    readonly version: (ref: Ref, version: bigint) => Effect.Effect<Event | undefined, Unavailable>
    /** The event with this id, if it is one of the entity's. */
    readonly event: (ref: Ref, id: string) => Effect.Effect<Event | undefined, Unavailable>
    /** Entities that exist, as `evaluate` and the order define. */
    readonly entities: (search: Search) => Effect.Effect<Page<Entity>, TooLarge | Unavailable>
    /** Events, likewise. */
    readonly events: (search: EventSearch) => Effect.Effect<Page<Event>, TooLarge | Unavailable>
    /** The log after a position, without gaps: at most `limit` events, fewer when they are large, none at its end. */
    readonly read: (domain: string, after: bigint, limit: number) => Effect.Effect<ReadonlyArray<Event>, Unavailable>
    /** At most `limit` heads of the domains that match, by name. A domain without events has none. */
    readonly heads: (domains: Glob, limit: number) => Effect.Effect<ReadonlyArray<Head>, Unavailable>
    /** Heads that moved since the token: maybe too many, never too few. Without a token: none, and a token of now. */
    readonly movedSince: (changeToken: string | undefined) => Effect.Effect<Moved, Unavailable>
  }
>()("stategate/application/ports/EventStore") {}
