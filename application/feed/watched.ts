import { Backoff } from "../backoff.ts"
import { feedRetryMs, feedRetryMsMax } from "../limits.ts"
import type { Reader } from "./reader.ts"
import type { Tail } from "./tail.ts"

/** A domain that some stream covers, and who reads it. */
export interface Watched {
  readonly tail: Tail
  readonly readers: Set<Reader>
  isFilling: boolean
  /** The store is being asked for the head. */
  isChecking: boolean
  /** Nothing more is read for the tail until a pause is over, and the store is asked for the head then. */
  isPausing: boolean
  readonly backoff: Backoff
  /** How often something did not go with the tail, since the store last said that it is right. */
  doubts: number
  /** A read of the log had another event where the tail has one. */
  isDisproved: boolean
  /** Whether it counts already that the log went back, however many streams find out. */
  isCounted: boolean
}

/** Where a tail stood before the store was asked, for comparison with the answer: meanwhile it may move, or be replaced. */
export interface Before {
  readonly tail: Tail
  readonly head: bigint
  readonly known: bigint
}

const newBackoff = () => new Backoff({ firstMs: 0, baseMs: feedRetryMs, maxMs: feedRetryMsMax })

/** Where a tail takes the place of another, `backoff` is that of the other. */
export const watch = (tail: Tail, readers: Set<Reader>, backoff = newBackoff()): Watched => ({
  tail,
  readers,
  isFilling: false,
  isChecking: false,
  isPausing: false,
  backoff,
  doubts: 0,
  isDisproved: false,
  isCounted: false
})

export const standing = (tail: Tail): Before => ({ tail, head: tail.head, known: tail.known })
