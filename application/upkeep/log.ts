import { Effect } from "effect"
import type { Head } from "../../domain/batch.ts"
import type { Event } from "../../domain/event.ts"
import { type Glob, parseGlob } from "../../domain/glob.ts"
import type { Unavailable } from "../failure.ts"
import { logPageEventsMax, upkeepDomainsMax } from "../limits.ts"
import type { EventStore } from "../ports/EventStore.ts"

export type Store = EventStore["Service"]

/** A store or a log is not as it has to be for what was asked; the message says in which way. */
export interface NotPossible {
  readonly _tag: "NotPossible"
  readonly message: string
}

export const notPossible = (message: string): NotPossible => ({ _tag: "NotPossible", message })

const everyDomain = (parseGlob("*") as { readonly glob: Glob }).glob

/** The heads of all logs, by name. */
export const headsOf = (store: Store): Effect.Effect<ReadonlyArray<Head>, NotPossible | Unavailable> =>
  Effect.flatMap(store.heads(everyDomain, upkeepDomainsMax + 1), (heads) =>
    heads.length <= upkeepDomainsMax
      ? Effect.succeed(heads)
      : Effect.fail(notPossible(`the store has more than ${upkeepDomainsMax} domains, and no more are looked at`))
  )

/** Hands the events of a log after one position, up to another, to `use`, some at a time and in order. */
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
      const { events } = yield* store.read(domain, position, logPageEventsMax)
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
