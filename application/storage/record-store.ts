import { Effect, type Scope } from "effect"
import type { Head } from "../../domain/batch.ts"
import type { Entity, Ref, State } from "../../domain/entity.ts"
import type { Event } from "../../domain/event.ts"
import type { TooLarge } from "../../domain/rejection.ts"
import { storeUnavailable, type Unavailable } from "../failure.ts"
import { commitEventsMax, movedOverlapMs, recordBytesMax, recordCommitsMax } from "../limits.ts"
import { type EventSearch, EventStore, type Page, type Search } from "../ports/EventStore.ts"
import { commitRecords } from "./commit-records/commits.ts"
import type { CommitPrimitives } from "./commit-records/primitives.ts"
import { type HeadReads, headsMatching } from "./heads.ts"
import { type NetworkChecks, networkStore } from "./network-store.ts"
import { emptyPage } from "./page.ts"

type Read<A> = Effect.Effect<A, Unavailable>

/**
 * What a store without transactions brings. Reads of events may answer any that are stored: `recordStore` sees to it
 * that the commits which made them are finished. Reads see every write that succeeded before the call.
 */
export interface RecordStorePrimitives extends CommitPrimitives, NetworkChecks, Pick<HeadReads, "headsFrom"> {
  readonly state: (ref: Ref) => Read<State | undefined>
  readonly version: (ref: Ref, version: bigint) => Read<Event | undefined>
  readonly event: (ref: Ref, id: string) => Read<Event | undefined>
  /**
   * The log after a position up to another, without gaps: at most `limit` events, and fewer when they are larger than
   * `logPageBytesMax` together, but one at least.
   */
  readonly eventsBetween: (domain: string, after: bigint, upTo: bigint, limit: number) => Read<ReadonlyArray<Event>>
  readonly entities: (search: Search) => Effect.Effect<Page<Entity>, TooLarge | Unavailable>
  /** Events up to a head. */
  readonly events: (search: EventSearch, upTo: Head) => Effect.Effect<Page<Event>, TooLarge | Unavailable>
  /** Applied heads that moved at this time or later, by the store's clock. */
  readonly headsMovedSince: (unixMs: number) => Read<ReadonlyArray<Head>>
  /** The store's clock, in Unix milliseconds, over the connections that serve calls. */
  readonly now: Read<number>
}

/** The port over a store on the network that has no transactions. */
export const recordStore = (
  primitives: RecordStorePrimitives
): Effect.Effect<EventStore["Service"], Unavailable, Scope.Scope> => {
  const { commit, head, lookup, withPendingFinished, checkReadable } = commitRecords(primitives)

  /** An event, once the domain is applied up to it. */
  const finished = Effect.fnUntraced(function* (domain: string, find: Read<Event | undefined>) {
    const event = yield* lookup(domain, find)
    if (event !== undefined) yield* head(domain, event.position)
    return event
  })

  const read = Effect.fnUntraced(function* (domain: string, after: bigint, limit: number) {
    const { position } = (yield* head(domain, after + BigInt(limit))) ?? { position: 0n }
    if (position <= after) return []
    const events = yield* primitives.eventsBetween(domain, after, position, limit)
    // Without this error, readers would take a missing row for the end of the log.
    if (events.length === 0)
      return yield* storeUnavailable(new Error(`${domain} has no row at ${after + 1n}, below its applied head`))
    return events
  })

  const appliedHeads = headsMatching({ head, headsFrom: primitives.headsFrom })

  const movedSince = Effect.fnUntraced(function* (changeToken: string | undefined) {
    if (changeToken === undefined) yield* checkReadable
    const now = yield* primitives.now
    const moved = primitives.headsMovedSince(Number(changeToken) - movedOverlapMs)
    const heads = changeToken === undefined ? [] : yield* withPendingFinished(yield* moved)
    return { heads, changeToken: String(now) }
  })

  const store = EventStore.of({
    capacity: { commits: recordCommitsMax, domains: 1, events: commitEventsMax, bytes: recordBytesMax },
    commit,
    state: primitives.state,
    version: (ref, version) => finished(ref.domain, primitives.version(ref, version)),
    event: (ref, id) => finished(ref.domain, primitives.event(ref, id)),
    entities: primitives.entities,
    events: (search) =>
      Effect.flatMap(head(search.domain), (upTo) =>
        upTo === undefined ? Effect.succeed(emptyPage) : primitives.events(search, upTo)
      ),
    read,
    heads: (glob, limit) => {
      const found = appliedHeads(glob, limit)
      // The head of one domain is answered with its commits finished.
      return glob.literal === undefined ? Effect.flatMap(found, withPendingFinished) : found
    },
    movedSince
  })
  return networkStore(store, primitives)
}
