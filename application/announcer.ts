import { Effect, type Scope } from "effect"
import { jsonText } from "../domain/json.ts"
import { inBackground, keepRunning } from "./background.ts"
import { announcingBytesMax, announcingEndMs } from "./limits.ts"
import { type Announcement, Channel } from "./ports/Channel.ts"

/**
 * Publishes commits on the channel in order, one publication after another. Commits never wait for it: a slow channel
 * delays streams, which find events that were not announced in the log.
 */
export const announcer: Effect.Effect<
  (announcements: ReadonlyArray<Announcement>) => void,
  never,
  Channel | Scope.Scope
> = Effect.gen(function* () {
  const channel = yield* Channel
  let waiting: Array<Announcement> = []
  let bytes = 0
  let isPublishing = false
  let wake = () => {}
  let onIdle = () => {}

  const pending = Effect.callback<void>((resume) => {
    wake = () => resume(Effect.void)
    if (waiting.length > 0) wake()
  })
  const publish = Effect.gen(function* () {
    yield* pending
    const announcements = waiting
    waiting = []
    bytes = 0
    isPublishing = true
    yield* inBackground("announcer", channel.publish(announcements))
    isPublishing = false
    if (waiting.length === 0) onIdle()
  })
  yield* keepRunning("announcer", publish)

  const published = Effect.callback<void>((resume) => {
    onIdle = () => resume(Effect.void)
    if (!isPublishing && waiting.length === 0) onIdle()
  })
  yield* Effect.addFinalizer(() => Effect.timeoutOption(published, announcingEndMs))

  return (announcements) => {
    for (const announcement of announcements) {
      if (bytes > announcingBytesMax) break
      bytes += jsonText(announcement.event.entity.values).length
      waiting.push(announcement)
    }
    wake()
  }
})
