import { Effect, type Scope } from "effect"
import { jsonText } from "../domain/json.ts"
import { inBackground, keepRunning } from "./background.ts"
import { announcingBytesMax, announcingEndMs } from "./limits.ts"
import { type Announcement, Channel } from "./ports/Channel.ts"

/**
 * Hands commits to the channel in their order, one publication after another, and never makes a commit wait for it:
 * a channel that is slow or hangs makes streams late, for whatever it does not carry is found in the log.
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
  let rest = () => {}

  const some = Effect.callback<void>((resume) => {
    wake = () => resume(Effect.void)
    if (waiting.length > 0) wake()
  })
  const publish = Effect.gen(function* () {
    yield* some
    const announcements = waiting
    waiting = []
    bytes = 0
    isPublishing = true
    yield* inBackground("announcer", channel.publish(announcements))
    isPublishing = false
    if (waiting.length === 0) rest()
  })
  yield* keepRunning("announcer", publish)

  const published = Effect.callback<void>((resume) => {
    rest = () => resume(Effect.void)
    if (!isPublishing && waiting.length === 0) rest()
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
