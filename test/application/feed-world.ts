// A feed over the memory store and a channel, both of which do wrong when told to.

import { Effect, Exit, Fiber, Layer, Scope } from "effect"
import { MemoryStore, port } from "../../adapters/storage/memory/store.ts"
import { Committer } from "../../application/committer.ts"
import { Unavailable } from "../../application/failure.ts"
import { Feed, type FeedStream } from "../../application/feed/feed.ts"
import type { StreamItem } from "../../application/feed/reader.ts"
import type { StreamRequest } from "../../application/feed/start.ts"
import { type Announcement, Channel } from "../../application/ports/Channel.ts"
import { EventStore } from "../../application/ports/EventStore.ts"
import { decodeCursor } from "../../domain/cursor.ts"
import { type Glob, parseGlob } from "../../domain/glob.ts"
import { settle } from "./gated-store.ts"
import { range } from "./samples.ts"

type Call = "read" | "heads" | "movedSince"

export class World {
  memory = new MemoryStore()
  /** Counts the logs that took the place of another, so that positions of one are not taken for positions of the next. */
  #log = 0
  /** Happens before each call of these. */
  before: (call: Call) => Effect.Effect<void, Unavailable> = () => Effect.void
  /** Happens after the store has answered one of these calls, and before the feed gets the answer. */
  after: (call: Call) => Effect.Effect<void> = () => Effect.void
  readonly calls: Record<Call, number> = { read: 0, heads: 0, movedSince: 0 }
  /** Events that one read gives at most: a store may give a single one where they are large. */
  pageEventsMax = Number.POSITIVE_INFINITY
  /** Reads give nothing behind this position, whatever the heads say. */
  readableTo: bigint | undefined
  /** What the channel makes of announcements. */
  carry: (announcements: ReadonlyArray<Announcement>) => ReadonlyArray<Announcement> = (all) => all
  readonly #subscribers = new Set<(announcements: ReadonlyArray<Announcement>) => void>()

  /** Another log takes the place of this one: a restore, or a failover with loss. */
  swap(memory = new MemoryStore()): void {
    this.memory = memory
    this.#log++
  }

  announce(announcements: ReadonlyArray<Announcement>): void {
    for (const deliver of this.#subscribers) deliver(announcements)
  }

  get layer(): Layer.Layer<Feed | Committer, Unavailable> {
    const calling = <A, E>(call: Call, effect: () => Effect.Effect<A, E>) =>
      Effect.suspend(() => {
        this.calls[call]++
        return Effect.andThen(
          this.before(call),
          Effect.tap(Effect.suspend(effect), () => this.after(call))
        )
      })
    const now = () => port(this.memory)
    const movedSince: EventStore["Service"]["movedSince"] = (mark) => {
      const [log, rest] = mark?.split(":") ?? []
      const known = mark === undefined || log === `${this.#log}`
      return Effect.map(now().movedSince(known ? rest : "0"), (moved) => ({
        ...moved,
        changeToken: `${this.#log}:${moved.changeToken}`
      }))
    }
    const store = Layer.succeed(EventStore, {
      ...now(),
      commit: (batches) => Effect.suspend(() => now().commit(batches)),
      state: (ref) => Effect.suspend(() => now().state(ref)),
      read: (domain, after, limit) =>
        calling("read", () => {
          const page = now().read(domain, after, Math.min(limit, this.pageEventsMax))
          const { readableTo } = this
          if (readableTo === undefined) return page
          return Effect.map(page, (events) => events.filter(({ position }) => position <= readableTo))
        }),
      heads: (glob, limit) => calling("heads", () => now().heads(glob, limit)),
      movedSince: (mark) => calling("movedSince", () => movedSince(mark))
    })
    const channel = Layer.succeed(Channel, {
      publish: (announcements) => Effect.sync(() => this.announce(this.carry(announcements))),
      subscribe: (deliver) => Effect.sync(() => void this.#subscribers.add(deliver))
    })
    return Layer.provide(Layer.merge(Feed.layer, Committer.layer), Layer.merge(store, channel))
  }

  /** The keys of a domain's log, in order; of one type, if it is named. */
  keys(domain: string, type?: string): ReadonlyArray<string> {
    const log = this.memory.log(domain).filter(({ entity }) => type === undefined || entity.type === type)
    return log.map(({ entity }) => entity.key)
  }
}

export const away = Effect.fail(new Unavailable({ message: "away" }))

/** Writes one event for each key, with announcements passed on before it returns. */
export const write = Effect.fnUntraced(function* (domain: string, keys: ReadonlyArray<string>, type = "t") {
  const { submit } = yield* Committer
  for (let at = 0; at < keys.length; at += 1000) {
    const commands = keys.slice(at, at + 1000).map((key) => ({
      ref: { domain, type, key },
      change: { _tag: "Set" as const, values: {} },
      precondition: { _tag: "None" as const }
    }))
    yield* submit({ domain, commands, parts: true, claims: {} })
    yield* settle
  }
})

export const numbered = (count: number, from = 0) => range(count).map((i) => `${from + i}`)

export const glob = (text: string): Glob => {
  const parsed = parseGlob(text)
  if (!parsed.ok) throw new Error(parsed.problem)
  return parsed.glob
}

type Start = StreamRequest["start"]

/** Opens a stream on `domain`, `domain/type` or `domain/type/key`, each a glob. */
export const open = (covers: string, start: Start = { _tag: "Now" }) => {
  const [domain = "*", type = "*", key = "*"] = covers.split("/")
  const globs = { domain: glob(domain), type: glob(type), key: glob(key) }
  return Effect.flatMap(Feed, (feed) => feed.open({ selection: { domain, type, key }, globs, start }))
}

export const beginning: Start = { _tag: "Beginning" }

/** Behind a cursor. */
export const resumingAfter = (encoded: string): Start & { readonly _tag: "After" } => {
  const cursor = decodeCursor(encoded)
  if (cursor === undefined) throw new Error(`no cursor: ${encoded}`)
  return { _tag: "After", cursor }
}

/** Everything that a stream brings without anyone waiting for time to pass. */
export const taken = Effect.fnUntraced(function* (stream: FeedStream) {
  const items: Array<StreamItem> = []
  while (true) {
    const pull = yield* Effect.forkChild(stream.pull, { startImmediately: true })
    yield* settle
    if (pull.pollUnsafe() === undefined) {
      yield* Fiber.interrupt(pull)
      return items
    }
    items.push(...(yield* Fiber.join(pull)))
  }
})

export const keysOf = (items: ReadonlyArray<StreamItem>, domain?: string): ReadonlyArray<string> =>
  items.flatMap(({ event }) =>
    event === undefined || (domain !== undefined && event.entity.domain !== domain) ? [] : [event.entity.key]
  )

/** Runs with a scope that is closed behind it, as that of a stream whose caller leaves. */
export const leaving = <A, E, R>(effect: Effect.Effect<A, E, R | Scope.Scope>) =>
  Effect.acquireUseRelease(
    Scope.make(),
    (scope) => Effect.provideService(effect, Scope.Scope, scope),
    (scope) => Scope.close(scope, Exit.void)
  )
