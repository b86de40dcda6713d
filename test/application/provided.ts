import { Effect } from "effect"
import { EventStore } from "../../application/ports/EventStore.ts"

/** Runs what needs a store on this one. */
export const provided = <A, E>(store: EventStore["Service"], use: Effect.Effect<A, E, EventStore>): Promise<A> =>
  Effect.runPromise(Effect.provideService(use, EventStore, store))
