import { Context, Effect, Layer } from "effect"
import type { Ref } from "../domain/entity.ts"
import type { Event } from "../domain/event.ts"
import type { Invalid, NotFound, TooLarge } from "../domain/rejection.ts"
import type { Unavailable } from "./failure.ts"
import { type EventSearch, EventStore, type Page } from "./ports/EventStore.ts"
import { type TokenPlace, wholePlace } from "./storage/page-token.ts"

/** Reads past events. */
export class History extends Context.Service<
  History,
  {
    readonly event: (ref: Ref, id: string) => Effect.Effect<Event, NotFound | Unavailable>
    /** A page of events, after a page token if one is given. */
    readonly search: (
      search: EventSearch,
      after?: TokenPlace
    ) => Effect.Effect<Page<Event>, Invalid | TooLarge | Unavailable>
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
      const search = Effect.fnUntraced(function* (wanted: EventSearch, place?: TokenPlace) {
        if (place === undefined) return yield* store.events(wanted)
        const item = Effect.suspend(() => store.read(wanted.domain, BigInt(place.tie) - 1n, 1))
        const event = Effect.map(item, (events) => events[0])
        return yield* store.events({ ...wanted, after: yield* wholePlace(wanted.order, place, event) })
      })
      return History.of({ event, search })
    })
  )
}
