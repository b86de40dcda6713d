import { Context, type Effect } from "effect"
import type { Ref, State } from "../../domain/entity.ts"
import type { Unavailable } from "../failure.ts"

/**
 * The stored entities, for maintenance: they can be compared with the states that the logs make, and repaired. Every
 * adapter must pass `test/contract/Projection.ts`.
 */
export class Projection extends Context.Service<
  Projection,
  {
    /** At most `limit` entities of a domain after `after`, tombstones included, each once, in an order of the store's own. */
    readonly stored: (
      domain: string,
      after: Ref | undefined,
      limit: number
    ) => Effect.Effect<ReadonlyArray<State>, Unavailable>
    /**
     * Replaces the stored states of these entities of a domain, and deletes the rows of `gone`. The caller makes sure that
     * nobody commits to the domain meanwhile.
     */
    readonly restate: (
      domain: string,
      states: ReadonlyArray<State>,
      gone: ReadonlyArray<Ref>
    ) => Effect.Effect<void, Unavailable>
  }
>()("stategate/application/ports/Projection") {}
