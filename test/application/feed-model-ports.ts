// What the feed of a model sees of its log: a store that asks the model for each answer, and a channel.

import { Effect, Layer } from "effect"
import type { Unavailable } from "../../application/failure.ts"
import { type Announcement, Channel } from "../../application/ports/Channel.ts"
import { EventStore } from "../../application/ports/EventStore.ts"
import { matches } from "../../domain/glob.ts"
import { domain, eventsText, headsText, type ModelLog } from "./feed-model-log.ts"

/** Answers a question with what `look` sees; `text` is for the trace. */
type Ask = <A>(question: string, look: () => A, text: (answer: A) => string) => Effect.Effect<A, Unavailable>

export const modelPorts = (
  log: ModelLog,
  ask: Ask,
  onSubscribe: (deliver: (announcements: ReadonlyArray<Announcement>) => void) => void
): Layer.Layer<EventStore | Channel> => {
  const never = () => Effect.never
  const store = EventStore.of({
    capacity: { commits: 1, domains: 1, events: 1, bytes: 1 },
    commit: never,
    state: never,
    version: never,
    event: never,
    entities: never,
    events: never,
    read: (name, after, limit) =>
      ask(
        `${limit} events behind ${after}`,
        () => {
          const found = name === domain ? log.after(after) : []
          return found.slice(0, limit)
        },
        eventsText
      ),
    heads: (wanted) =>
      ask("the head", () => (log.head !== undefined && matches(wanted, domain) ? [log.head] : []), headsText),
    movedSince: (mark) =>
      ask(
        `what moved since commit ${mark ?? "(now)"}`,
        () => {
          const hasMoved = mark !== undefined && log.commits > Number(mark) && log.head !== undefined
          return { heads: hasMoved ? [log.head!] : [], changeToken: `${log.commits}` }
        },
        ({ heads }) => headsText(heads)
      )
  })
  const channel = Channel.of({
    publish: never,
    subscribe: (deliver) => Effect.sync(() => onSubscribe(deliver))
  })
  return Layer.merge(Layer.succeed(EventStore, store), Layer.succeed(Channel, channel))
}
