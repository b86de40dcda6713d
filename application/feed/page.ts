import { Effect } from "effect"
import type { Event } from "../../domain/event.ts"
import type { Unavailable } from "../failure.ts"
import type { EventStore } from "../ports/EventStore.ts"

/**
 * A page of a log that begins with the event at `position`, so that the caller can check whether this is still the same
 * log. Up to `limit` later events follow, and at least one if the log has any, although a store may return a single large
 * event per read.
 */
export const pageFrom = Effect.fnUntraced(function* (
  store: EventStore["Service"],
  domain: string,
  position: bigint,
  limit: number
): Effect.fn.Return<ReadonlyArray<Event>, Unavailable> {
  if (position === 0n) return yield* store.read(domain, 0n, limit)
  const events = yield* store.read(domain, position - 1n, limit + 1)
  if (events.length !== 1) return events
  const next = yield* store.read(domain, position, limit)
  if (next.length === 0) return events
  // Read last: if the log was rewound between the reads, the first event has changed or is gone.
  const first = yield* store.read(domain, position - 1n, 1)
  return first.length === 0 ? first : [...first, ...next]
})
