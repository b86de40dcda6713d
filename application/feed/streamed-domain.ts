import { Backoff } from "../backoff.ts"
import { feedRetryMs, feedRetryMsMax } from "../limits.ts"
import type { Reader } from "./reader.ts"
import type { Tail } from "./tail.ts"

/** A domain that some stream covers, with its readers. */
export interface StreamedDomain {
  readonly tail: Tail
  readonly readers: Set<Reader>
  isBackfilling: boolean
  /** A query for the head is under way. */
  isQuerying: boolean
  /** A pause before the next query for the head is under way. Backfills wait for its end. */
  isPausing: boolean
  readonly backoff: Backoff
  /** How many contradictions to the tail were seen since the store last confirmed it. */
  suspicions: number
  /** A read of the log returned another event at a position of the tail. */
  isContradicted: boolean
  /** Whether the rewind has been counted: many streams may find the same one. */
  isRewindCounted: boolean
}

/** The state of a tail before a query, for comparison with the answer: the tail may move or be replaced meanwhile. */
export interface TailState {
  readonly tail: Tail
  readonly head: bigint
  readonly knownHead: bigint
}

const newBackoff = () => new Backoff({ firstMs: 0, baseMs: feedRetryMs, maxMs: feedRetryMsMax })

/** A new tail inherits the backoff of the tail that it replaces. */
export const newStreamedDomain = (tail: Tail, readers: Set<Reader>, backoff = newBackoff()): StreamedDomain => ({
  tail,
  readers,
  isBackfilling: false,
  isQuerying: false,
  isPausing: false,
  backoff,
  suspicions: 0,
  isContradicted: false,
  isRewindCounted: false
})

export const stateOf = (tail: Tail): TailState => ({ tail, head: tail.head, knownHead: tail.knownHead })
