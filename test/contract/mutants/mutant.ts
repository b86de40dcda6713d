// Adapters that are broken on purpose. A law that nobody has seen fail is none.

import { Effect, Exit, Result } from "effect"
import { MemoryStore, port } from "../../../adapters/storage/memory/store.ts"
import type { Batch, EventStore } from "../../../application/ports/EventStore.ts"
import type { Head, Snapshot } from "../../../domain/batch.ts"
import type { Event } from "../../../domain/event.ts"
import type { JsonObject } from "../../../domain/json.ts"
import type { Law } from "../law.ts"

export interface Mutant<Service> {
  /** What it does wrong. */
  readonly does: string
  /** The name of the law that must notice. */
  readonly breaks: string
  readonly make: () => Service
}

export type StoreMutant = Mutant<EventStore["Service"]>

/** How a check was rejected, or undefined. One that takes for ever is rejected, too. */
export const rejection = async (check: Law<never>["check"], msMax: number): Promise<string | undefined> => {
  const exit = await Effect.runPromiseExit(Effect.timeout(check, msMax))
  return Exit.isSuccess(exit) ? undefined : String(exit.cause)
}

/** A store over what a memory store with other ways makes of each batch. */
export const storeThat = (
  does: string,
  breaks: string,
  changeUnit: (batch: Batch) => Batch,
  changeHead: (head: Head) => Head = (head) => head
): StoreMutant => ({
  does,
  breaks,
  make: () =>
    port(
      new (class extends MemoryStore {
        override commit(batch: Batch): Head {
          return changeHead(super.commit(changeUnit(batch)))
        }
      })()
    )
})

/** A store that appends something else than what was decided. */
export const appends = (does: string, breaks: string, change: (events: ReadonlyArray<Event>) => ReadonlyArray<Event>) =>
  storeThat(does, breaks, (batch) => ({ ...batch, decide: (snapshot) => change(batch.decide(snapshot)) }))

/** A store that keeps something else of each event. */
export const keeps = (does: string, breaks: string, change: (event: Event) => Event) =>
  appends(does, breaks, (events) => events.map(change))

/** A store that keeps something else of values. */
export const keepsValues = (does: string, breaks: string, change: (values: JsonObject) => JsonObject) =>
  keeps(does, breaks, (event) => ({ ...event, entity: { ...event.entity, values: change(event.entity.values) } }))

/** A store that gives decisions another snapshot than the domain is. */
export const shows = (does: string, breaks: string, change: (snapshot: Snapshot) => Snapshot) =>
  storeThat(does, breaks, (batch) => ({ ...batch, decide: (snapshot) => batch.decide(change(snapshot)) }))

/** A healthy store of which some methods are not. */
export const answers = (
  does: string,
  breaks: string,
  change: (healthy: EventStore["Service"], store: MemoryStore) => Partial<EventStore["Service"]>
): StoreMutant => ({
  does,
  breaks,
  make: () => {
    const store = new MemoryStore()
    const healthy = port(store)
    return { ...healthy, ...change(healthy, store) }
  }
})

/** A store of a class of its own. */
export const stores = (does: string, breaks: string, Store: new () => MemoryStore): StoreMutant => ({
  does,
  breaks,
  make: () => port(new Store())
})

/** Every batch committed by itself, with something done first. */
export const commitsEach = (store: MemoryStore, before: (batch: Batch) => Effect.Effect<Batch>) => ({
  commit: (batches: ReadonlyArray<Batch>) =>
    Effect.forEach(batches, (batch) => Effect.map(before(batch), (changed) => Result.succeed(store.commit(changed))))
})

export const methodsThatRead = ["state", "version", "event", "read", "heads", "entities", "events"] as const
export type Method = (typeof methodsThatRead)[number]

/** A store, and a replica of it that is one commit late. */
export const replicated = (): readonly [primary: MemoryStore, replica: MemoryStore] => {
  const replica = new MemoryStore()
  const waiting: Array<Batch> = []
  class Primary extends MemoryStore {
    override commit(batch: Batch) {
      for (const due of waiting.splice(0)) replica.commit(due)
      let events: ReadonlyArray<Event> = []
      const head = super.commit({
        ...batch,
        decide: (snapshot) => {
          events = batch.decide(snapshot)
          return events
        }
      })
      waiting.push({ ...batch, decide: () => events })
      return head
    }
  }
  return [new Primary(), replica]
}
