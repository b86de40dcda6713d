import type { Effect } from "effect"
import type { Head } from "../../../domain/batch.ts"
import type { Ref, State } from "../../../domain/entity.ts"
import type { Event } from "../../../domain/event.ts"
import type { Defect, OutcomeUnknown, Unavailable } from "../../failure.ts"
import type { Unit } from "../../ports/EventStore.ts"

/** A position that is, or may be, claimed: of the first event of a commit. */
export interface Place {
  readonly domain: string
  readonly position: bigint
}

/** One commit of one domain, whole: whoever finds it can finish it. Stores look at `domain` and `position` alone. */
export interface ClaimRecord extends Place {
  /** Random; tells who claimed. */
  readonly id: string
  /** How `text` is to be read. One that is not known is kept, and answered, like any other. */
  readonly format: number
  readonly text: string
}

/** What a decision asks for besides the head. */
export interface Recalled {
  readonly states: ReadonlyArray<State>
  /** The events made under the keys, by position within each key. */
  readonly events: ReadonlyArray<Event>
}

/**
 * What claims need of a store. Only `claim` has to be atomic. Everything else is written after it, as often as it takes
 * and by several at once, some of whom were asleep for long: the order in which writes arrive must not matter.
 *
 * `Unavailable` from a read means nothing was read; from a projecting write, that it may or may not have been made.
 */
export interface Primitives {
  /** The head that the domain's mark tells, as one write left it. Sees every `moveMark` that succeeded before the call. */
  readonly mark: (domain: string) => Effect.Effect<Head | undefined, Unavailable>
  /** What is projected of these refs and keys, seeing every projecting write that succeeded before the call. */
  readonly recall: (
    domain: string,
    refs: ReadonlyArray<Ref>,
    keys: Unit["keys"]
  ) => Effect.Effect<Recalled, Unavailable>
  /**
   * Keeps the record, for ever, unless its place has one, and answers the one that is there once it cannot be lost.
   * `Unavailable` says that this call has not kept the record, nor will; `OutcomeUnknown` that it may have, or may yet; `Defect`
   * that the store refused it, and keeps nothing of it.
   */
  readonly claim: (record: ClaimRecord) => Effect.Effect<ClaimRecord, Unavailable | OutcomeUnknown | Defect>
  /** The records at those of the places that have one, seeing every `claim` that was answered before the call. */
  readonly claimed: (places: ReadonlyArray<Place>) => Effect.Effect<ReadonlyArray<ClaimRecord>, Unavailable>
  /** Makes each event readable, once, at its position. */
  readonly projectEvents: (domain: string, events: ReadonlyArray<Event>) => Effect.Effect<void, Unavailable>
  /** Makes what each event made of its entity the state of that, unless it has a later one. Entities occur once. */
  readonly projectStates: (domain: string, latest: ReadonlyArray<Event>) => Effect.Effect<void, Unavailable>
  /** Moves the domain's mark to this head, unless it is there or beyond. */
  readonly moveMark: (head: Head) => Effect.Effect<void, Unavailable>
}
