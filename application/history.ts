import { Context, Effect, Layer } from "effect"
import type { Ref } from "../domain/entity.ts"
import type { Event } from "../domain/event.ts"
import type { NotFound, TooLarge } from "../domain/rejection.ts"
import type { Unavailable } from "./failure.ts"
import { type EventSearch, EventStore } from "./ports/EventStore.ts"

/** The past: what happened, as it was written. */
export class History extends Context.Service<
  History,
  {
    readonly event: (ref: Ref, id: string) => Effect.Effect<Event, NotFound | Unavailable>
    readonly search: (search: EventSearch) => Effect.Effect<ReadonlyArray<Event>, TooLarge | Unavailable>
  }
>()("stategate/application/History") {
  static readonly layer = Layer.effect(
    History,
    Effect.gen(function* () {
      const store = yield* EventStore
      const event = (ref: Ref, id: string) =>
        Effect.flatMap(store.event(ref, id), (found) =>
          found === undefined
            ? Effect.fail<NotFound>({ _tag: "NotFound", message: "the entity has no such event" })
            : Effect.succeed(found)
        )
      return History.of({ event, search: store.events })
    })
  )
}
