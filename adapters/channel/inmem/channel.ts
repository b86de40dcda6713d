import { Effect, Layer } from "effect"
import { type Announcement, Channel } from "../../../application/ports/Channel.ts"

/** Carries announcements within one process. Other gateways on the same store find events by polling the heads. */
export const layer: Layer.Layer<Channel> = Layer.sync(Channel, () => {
  const subscribers = new Set<(announcements: ReadonlyArray<Announcement>) => void>()
  return Channel.of({
    publish: (announcements) =>
      Effect.sync(() => {
        for (const deliver of subscribers) deliver(announcements)
      }),
    subscribe: (deliver) =>
      Effect.acquireRelease(
        Effect.sync(() => {
          // Wrapped, so that the same function may subscribe twice and leave once.
          const subscriber = (announcements: ReadonlyArray<Announcement>) => deliver(announcements)
          subscribers.add(subscriber)
          return subscriber
        }),
        (subscriber) => Effect.sync(() => subscribers.delete(subscriber))
      ).pipe(Effect.asVoid)
  })
})
