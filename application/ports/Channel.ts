import { Context, type Effect, type Scope } from "effect"
import type { Event } from "../../domain/event.ts"
import type { Unavailable } from "../failure.ts"

/** An event that was committed, and which log it is in. */
export interface Announcement {
  readonly incarnation: string
  readonly event: Event
  /** The id of the event right before it, "" for the first: positions do not tell an event from one in its place. */
  readonly previousId: string
}

/**
 * Carries announcements between gateways. It may lose, repeat and reorder them, since the log decides; it invents
 * none. Every adapter must pass `test/contract/Channel.ts`.
 */
export class Channel extends Context.Service<
  Channel,
  {
    /** Hands announcements to every subscriber, those of this process included, in order unless something fails. */
    readonly publish: (announcements: ReadonlyArray<Announcement>) => Effect.Effect<void, Unavailable>
    /** Once it succeeds, whatever is published reaches `deliver`, until the scope closes. `deliver` never throws. */
    readonly subscribe: (
      deliver: (announcements: ReadonlyArray<Announcement>) => void
    ) => Effect.Effect<void, Unavailable, Scope.Scope>
  }
>()("stategate/application/ports/Channel") {}
