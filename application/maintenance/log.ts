import { Effect } from "effect"
import type { Head } from "../../domain/batch.ts"
import type { Event } from "../../domain/event.ts"
import { type Glob, parseGlob } from "../../domain/glob.ts"
import type { Unavailable } from "../failure.ts"
import { logPageEventsMax, maintenanceDomainsMax } from "../limits.ts"
import type { EventStore } from "../ports/EventStore.ts"

export type Store = EventStore["Service"]

/** The state of a store or a log rules the operation out; the message says why. */
export interface NotPossible {
  readonly _tag: "NotPossible"
  readonly message: string
}

export const notPossible = (message: string): NotPossible => ({ _tag: "NotPossible", message })

const everyDomain = (parseGlob("*") as { readonly glob: Glob }).glob

/** The heads of all logs, by name. */
export const headsOf = (store: Store): Effect.Effect<ReadonlyArray<Head>, NotPossible | Unavailable> =>
  Effect.flatMap(store.heads(everyDomain, maintenanceDomainsMax + 1), (heads) =>
    heads.length <= maintenanceDomainsMax
      ? Effect.succeed(heads)
      : Effect.fail(
          notPossible(`the store has more than ${maintenanceDomainsMax} domains, the most that one run handles`)
        )
  )

/** Gives `use` the events after one position up to another, page by page and in order. Fails at a gap. */
export const eachPage = <E>(
  store: Store,
  domain: string,
  after: bigint,
  until: bigint,
  use: (events: ReadonlyArray<Event>) => Effect.Effect<void, E>
): Effect.Effect<void, E | NotPossible | Unavailable> =>
  Effect.gen(function* () {
    let position = after
    while (position < until) {
      const events = yield* store.read(domain, position, logPageEventsMax)
      const wanted = events.filter((event) => event.position <= until)
      const from = position
      const hole = wanted.length === 0 ? 0 : wanted.findIndex((event, i) => event.position !== from + BigInt(i) + 1n)
      if (hole >= 0) {
        const missing = from + BigInt(hole) + 1n
        return yield* Effect.fail(notPossible(`the log of ${domain} has no event at position ${missing}`))
      }
      yield* use(wanted)
      position += BigInt(wanted.length)
    }
  })
