import { Effect } from "effect"
import type { Head } from "../../domain/batch.ts"
import { matches } from "../../domain/glob.ts"
import type { Unavailable } from "../failure.ts"
import type { EventStore } from "../ports/EventStore.ts"

/** Identifies a new log: 16 random hex digits, which tell it from any other that may take its place. */
export const newIncarnation = (): string => crypto.randomUUID().replaceAll("-", "").slice(0, 16)

/** The head of a log without events. */
export const emptyHead = (domain: string, incarnation = newIncarnation()): Head => ({
  domain,
  incarnation,
  position: 0n,
  time: 0n,
  eventId: ""
})

/** The heads of a store, one by one. */
export interface HeadReads {
  /** The head of one domain. */
  readonly head: (domain: string) => Effect.Effect<Head | undefined, Unavailable>
  /** Hands heads to `visit`, by domain name from the first that is not below `prefix`, until it returns false. */
  readonly headsFrom: (prefix: string, visit: (head: Head) => boolean) => Effect.Effect<unknown, Unavailable>
}

/** `EventStore.heads` for any store that can list its heads by name. */
export const headsMatching =
  ({ head, headsFrom }: HeadReads): EventStore["Service"]["heads"] =>
  (glob, limit) => {
    if (glob.literal !== undefined) {
      return Effect.map(head(glob.literal), (found) => (found === undefined ? [] : [found].slice(0, limit)))
    }
    return Effect.suspend(() => {
      const found: Array<Head> = []
      const visit = (next: Head): boolean => {
        if (found.length === limit || !next.domain.startsWith(glob.prefix)) return false
        if (matches(glob, next.domain)) found.push(next)
        return true
      }
      return Effect.as(headsFrom(glob.prefix, visit), found)
    })
  }
