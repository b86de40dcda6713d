import { Context, type Effect } from "effect"
import type { Ref, State } from "../../domain/entity.ts"
import type { Unavailable } from "../failure.ts"

/**
 * The entities as a store keeps them beside its logs, to be compared with what the logs make of them, and mended. Every
 * adapter must pass `test/contract/Projection.ts`.
 */
export class Projection extends Context.Service<
  Projection,
  {
    /** At most `limit` of a domain's entities, tombstones included, each once, from behind `after` on in an order of the store's own. */
    readonly stored: (
      domain: string,
      after: Ref | undefined,
      limit: number
    ) => Effect.Effect<ReadonlyArray<State>, Unavailable>
    /**
     * Puts entities of a domain to these states, whatever is stored of them, and takes those away that are `gone`.
     * Only while nobody commits to the domain.
     */
    readonly restate: (
      domain: string,
      states: ReadonlyArray<State>,
      gone: ReadonlyArray<Ref>
    ) => Effect.Effect<void, Unavailable>
  }
>()("stategate/application/ports/Projection") {}
