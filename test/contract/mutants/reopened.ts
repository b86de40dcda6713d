// Stores that are healthy until they are closed.

import { Effect, Layer } from "effect"
import { MemoryStore, port } from "../../../adapters/storage/memory/store.ts"
import { EventStore } from "../../../application/ports/EventStore.ts"

const isThere = "everything is there after the store was closed and opened again"
const goesOn = "a log goes on where it was when the store is opened again, and change tokens stay good"

export interface ReopenedMutant {
  readonly does: string
  readonly breaks: string
  /** One store, and how it is opened. */
  readonly make: () => () => Layer.Layer<EventStore>
}

/** What a healthy store becomes when it is opened for the second time. */
const reopened = (
  does: string,
  breaks: string,
  change: (healthy: EventStore["Service"]) => Partial<EventStore["Service"]>
): ReopenedMutant => ({
  does,
  breaks,
  make: () => {
    const healthy = port(new MemoryStore())
    let opened = 0
    return () => Layer.sync(EventStore, () => (opened++ === 0 ? healthy : { ...healthy, ...change(healthy) }))
  }
})

export const reopenedMutants: ReadonlyArray<ReopenedMutant> = [
  reopened("forgets everything when it is closed", isThere, () => port(new MemoryStore())),
  reopened("starts its logs anew", goesOn, () => port(new MemoryStore())),
  reopened("is born again each time it is opened", isThere, (healthy) => ({
    heads: (glob, limit) =>
      Effect.map(healthy.heads(glob, limit), (heads) => heads.map((head) => ({ ...head, incarnation: "f".repeat(16) })))
  })),
  reopened("forgets idempotency keys when it is closed", isThere, (healthy) => ({
    commit: (batches) =>
      healthy.commit(
        batches.map((batch) => ({
          ...batch,
          decide: (snapshot) => batch.decide({ ...snapshot, remembered: () => [] })
        }))
      )
  })),
  reopened("forgets tombstones when it is closed", isThere, (healthy) => ({
    state: (ref) => Effect.map(healthy.state(ref), (state) => (state?.deleted ? undefined : state))
  })),
  reopened("takes marks from before for marks of now", goesOn, (healthy) => ({
    movedSince: () => healthy.movedSince(undefined)
  }))
]
