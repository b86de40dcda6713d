import type { Effect } from "effect"
import type { Head } from "../../../domain/batch.ts"
import type { Ref, State } from "../../../domain/entity.ts"
import type { Event } from "../../../domain/event.ts"
import type { Defect, OutcomeUnknown, Unavailable } from "../../failure.ts"
import type { Batch } from "../../ports/EventStore.ts"

export interface LogPosition {
  readonly domain: string
  readonly position: bigint
}

/**
 * One commit of one domain, with everything that another gateway needs to finish it. Its position is that of its first
 * event. Stores look at `domain` and `position` alone.
 */
export interface CommitRecord extends LogPosition {
  /** Random; names the gateway that wrote it. */
  readonly id: string
  /** The format of `text`. A store keeps and answers records of unknown formats like any other. */
  readonly format: number
  readonly text: string
}

/** What a decision reads besides the head. */
export interface SnapshotRows {
  readonly states: ReadonlyArray<State>
  /** The events made under the keys, by position within each key. */
  readonly events: ReadonlyArray<Event>
}

/**
 * What commit records need of a store. Only `insertRecord` has to be atomic. All other writes follow it, repeatedly and
 * from several gateways at once, some of them late: the order in which they arrive must not matter.
 *
 * `Unavailable` from a read means that nothing was read; from another write, that it may or may not have been made.
 */
export interface CommitPrimitives {
  /** How far the domain is applied, as one write left it. Sees every `advanceApplied` that succeeded before the call. */
  readonly appliedHead: (domain: string) => Effect.Effect<Head | undefined, Unavailable>
  /** What is projected of these refs and keys. Sees every projecting write that succeeded before the call. */
  readonly readSnapshot: (
    domain: string,
    refs: ReadonlyArray<Ref>,
    keys: Batch["keys"]
  ) => Effect.Effect<SnapshotRows, Unavailable>
  /**
   * Inserts the record for ever, unless its position has one, and answers the record there once it cannot be lost.
   * `Unavailable`: this call has not inserted the record and never will. `OutcomeUnknown`: it may have, or still may.
   * `Defect`: the store refused the record and holds nothing of it.
   */
  readonly insertRecord: (record: CommitRecord) => Effect.Effect<CommitRecord, Unavailable | OutcomeUnknown | Defect>
  /** The records at these positions, where there are any. Sees every `insertRecord` that was answered before the call. */
  readonly recordsAt: (positions: ReadonlyArray<LogPosition>) => Effect.Effect<ReadonlyArray<CommitRecord>, Unavailable>
  /** Makes each event readable, once, at its position. */
  readonly projectEvents: (domain: string, events: ReadonlyArray<Event>) => Effect.Effect<void, Unavailable>
  /** Sets each entity to the state that its event made, unless it has a later one. Each entity occurs once. */
  readonly projectStates: (domain: string, latest: ReadonlyArray<Event>) => Effect.Effect<void, Unavailable>
  /** Marks the domain as applied up to this head, unless it already is. */
  readonly advanceApplied: (head: Head) => Effect.Effect<void, Unavailable>
}
