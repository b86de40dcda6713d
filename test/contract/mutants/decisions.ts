// Stores that let decide on something else than what there is.

import { Effect } from "effect"
import { MemoryStore, port } from "../../../adapters/storage/memory/store.ts"
import type { Batch } from "../../../application/ports/EventStore.ts"
import type { Head } from "../../../domain/batch.ts"
import { refText, type State } from "../../../domain/entity.ts"
import type { Event } from "../../../domain/event.ts"
import { commitsEach, type StoreMutant, shows, stores } from "./mutant.ts"

const sees = "a decision sees the domain as the commits before it left it, tombstones included"
const remembers = "a decision is told what an idempotency key has made, in order"
const keyScope = "an idempotency key belongs to one caller in one domain"

/** Decides now, and appends to what is there later. */
const decidesEarly = (
  store: MemoryStore,
  append: (events: ReadonlyArray<Event>, position: bigint) => ReadonlyArray<Event>
) => ({
  ...port(store),
  capacity: { ...port(store).capacity, commits: 16 },
  ...commitsEach(store, (batch) =>
    Effect.gen(function* () {
      const states = new Map<string, State | undefined>(batch.refs.map((ref) => [refText(ref), store.state(ref)]))
      const last = store.log(batch.domain).at(-1)
      const stale = {
        position: last?.position ?? 0n,
        time: last?.time ?? 0n,
        eventId: last?.id ?? "",
        remembered: () => []
      }
      const events = batch.decide({ ...stale, state: (ref) => states.get(refText(ref)) })
      yield* Effect.yieldNow
      return { ...batch, decide: ({ position }) => append(events, position) }
    })
  )
})

interface Call {
  readonly domain: string
  readonly event: Event
}

/** A store that finds the events of a key by a rule of its own. */
const remembersAll = (
  does: string,
  find: (
    calls: ReadonlyArray<Call>,
    batch: Batch,
    call: { readonly caller: string; readonly key: string }
  ) => ReadonlyArray<Call>
): StoreMutant => {
  class Store extends MemoryStore {
    readonly #calls: Array<Call> = []
    override commit(batch: Batch): Head {
      return super.commit({
        ...batch,
        decide: (snapshot) => {
          const remembered = (caller: string, key: string) =>
            find(this.#calls, batch, { caller, key }).map(({ event }) => event)
          const events = batch.decide({ ...snapshot, remembered })
          this.#calls.push(...events.map((event) => ({ domain: batch.domain, event })))
          return events
        }
      })
    }
  }
  return stores(does, keyScope, Store)
}

export const decisions: ReadonlyArray<StoreMutant> = [
  {
    does: "decides on a snapshot that is out of date when it appends",
    breaks: "of many commits that expect one version exactly one wins",
    make: () =>
      decidesEarly(new MemoryStore(), (events, position) =>
        events.map((event, i) => ({ ...event, position: position + BigInt(i) + 1n }))
      )
  },
  {
    does: "drops what was decided before another commit",
    breaks: "concurrent commits lose nothing, and leave no gap",
    make: () =>
      decidesEarly(new MemoryStore(), (events, position) => events.filter((event) => event.position > position))
  },
  shows("hides tombstones from decisions", sees, (snapshot) => ({
    ...snapshot,
    state: (ref) => (snapshot.state(ref)?.deleted ? undefined : snapshot.state(ref))
  })),
  shows("decides at position 0", sees, (snapshot) => ({
    ...snapshot,
    position: 0n
  })),
  shows("forgets the id of the last event", sees, (snapshot) => ({ ...snapshot, eventId: "" })),
  shows("forgets the time of the last event", "time rises with the position, whatever the clock does", (snapshot) => ({
    ...snapshot,
    time: 0n
  })),
  shows("forgets idempotency keys", remembers, (snapshot) => ({ ...snapshot, remembered: () => [] })),
  shows("remembers the first event of a key alone", remembers, (snapshot) => ({
    ...snapshot,
    remembered: (caller, key) => snapshot.remembered(caller, key).slice(0, 1)
  })),
  shows("remembers the events of a key in another order", remembers, (snapshot) => ({
    ...snapshot,
    remembered: (caller, key) => snapshot.remembered(caller, key).toReversed()
  })),
  remembersAll("remembers keys for every caller", (calls, batch, call) =>
    calls.filter(({ event, domain }) => domain === batch.domain && event.idempotency?.key === call.key)
  ),
  remembersAll("remembers keys over all domains", (calls, _unit, call) =>
    calls.filter(({ event }) => event.idempotency?.key === call.key && event.idempotency.caller === call.caller)
  ),
  remembersAll("joins caller and key to one text", (calls, batch, call) =>
    calls.filter(({ event, domain }) => {
      const { caller, key } = event.idempotency ?? { caller: "", key: "" }
      return domain === batch.domain && `${caller}${key}` === `${call.caller}${call.key}`
    })
  ),
  remembersAll("takes keys for the same in another case", (calls, batch, call) =>
    calls.filter(({ event, domain }) => {
      const { caller, key } = event.idempotency ?? { caller: "", key: "" }
      return domain === batch.domain && caller === call.caller && key.toLowerCase() === call.key.toLowerCase()
    })
  )
]
