// A feed of which nothing happens by itself: a test chooses which answer, announcement or change of the log comes next,
// and what streams bring and end with is compared with the log after each. Without timers and promises, so that it is
// the same each time, everywhere.

import { Cause, Effect, Exit, Layer } from "effect"
import { assert } from "vitest"
import { Unavailable } from "../../application/failure.ts"
import { Feed } from "../../application/feed/feed.ts"
import type { StreamRequest } from "../../application/feed/start.ts"
import { type Announcement, Channel } from "../../application/ports/Channel.ts"
import { EventStore } from "../../application/ports/EventStore.ts"
import type { Head } from "../../domain/batch.ts"
import { decodeCursor, type Mark, shortId } from "../../domain/cursor.ts"
import { type Event, methods } from "../../domain/event.ts"
import { matches } from "../../domain/glob.ts"
import { inModelTime } from "./feed-model-time.ts"
import { glob } from "./feed-world.ts"

const domain = "d"
export type Kind = "world" | "answer" | "hear" | "poll"

/** Something that may happen next, in one of several ways, the usual one first. */
interface Step {
  readonly kind: Kind
  readonly ways: () => ReadonlyArray<() => void>
}

/**
 * What happens to the log, in this order. `cut`: it loses its end. `reborn`: the same events under another identity.
 * `swap`: another log, empty. `open`, `wide`, `all`: a stream is opened from now, on all domains, from the beginning.
 */
export type Change = "commit" | "cut" | "reborn" | "swap" | "open" | "wide" | "all"

interface Stream {
  seen: Mark | undefined
  end: { readonly _tag: string } | undefined
}

/** Looks at the heads in the middle of a history. */
const pollsMax = 2

export class FeedModel {
  readonly streams: Array<Stream> = []
  #incarnations = 1
  #ids = 0
  #log: { incarnation: string; events: ReadonlyArray<Event> } = { incarnation: "0000000000000001", events: [] }
  readonly #previous = new Map<string, string>()
  #moved = 0
  #steps: Array<Step> = []
  #changes: ReadonlyArray<Change>
  #polls = 0
  #deliver: (announcements: ReadonlyArray<Announcement>) => void = () => {}
  readonly #turns: Array<() => void> = []
  #feed: Feed["Service"] | undefined
  #close: () => void = () => {}

  constructor(changes: ReadonlyArray<Change>) {
    this.#changes = changes
    const running = Effect.flatMap(Feed, (feed) => {
      this.#feed = feed
      return Effect.never
    })
    const fiber = Effect.runFork(this.#inside(Effect.provide(running, Layer.provide(Feed.layer, this.#ports))))
    this.#close = () => fiber.interruptUnsafe()
    this.#settle()
  }

  /** What may happen next: each step in each of its ways, those of the kinds that come first before others. */
  options(order: ReadonlyArray<Kind>): ReadonlyArray<() => void> {
    const all = [...this.#steps]
    const [change, ...rest] = this.#changes
    if (change !== undefined) {
      const make = () => {
        this.#changes = rest
        this.#change(change)
      }
      all.push({ kind: "world", ways: () => [make] })
    }
    return order
      .flatMap((kind) => all.filter((step) => step.kind === kind))
      .filter(({ kind }) => kind !== "poll" || this.#polls < pollsMax)
      .flatMap((step) => step.ways())
  }

  take(option: () => void): void {
    option()
    this.#settle()
    const asked = this.#steps.filter(({ kind }) => kind === "answer").length
    assert.isAtMost(asked, 3 + this.streams.length, "questions to the store at once")
  }

  /** Nothing goes wrong any more, and the heads are looked at a few times. */
  finish(): void {
    for (let polls = 0; polls < 4; polls++) {
      this.#polls = 0
      for (let steps = 0; ; steps++) {
        assert.isBelow(steps, 200, "everything comes to rest")
        const [next] = this.options(["world", "answer", "hear"])
        if (next === undefined) break
        this.take(next)
      }
      const [poll] = this.options(["poll"])
      if (poll !== undefined) this.take(poll)
    }
    for (const stream of this.streams) {
      if (stream.end !== undefined) continue
      assert.isTrue(this.#holds(stream.seen), "a log that went back is noticed")
      assert.strictEqual(stream.seen?.position ?? 0n, BigInt(this.#log.events.length), "no event is missed")
    }
  }

  close(): void {
    this.#close()
    this.#settle()
  }

  #settle(): void {
    for (let turns = 0; ; turns++) {
      const turn = this.#turns.shift()
      if (turn === undefined) return
      assert.isBelow(turns, 10_000, "what goes on by itself comes to rest")
      turn()
    }
  }

  #holds(mark: Mark | undefined): boolean {
    if (mark === undefined) return true
    const { incarnation, events } = this.#log
    if (events.length === 0 || incarnation !== mark.incarnation) return false
    return mark.position === 0n || shortId(events[Number(mark.position) - 1]?.id ?? "") === mark.eventId
  }

  #change(change: Change): void {
    const { incarnation, events } = this.#log
    if (change === "commit") this.#commit()
    else if (change === "cut") this.#log = { incarnation, events: events.slice(0, -1) }
    else if (change === "reborn") this.#log = { incarnation: this.#newIncarnation(), events }
    else if (change === "swap") this.#log = { incarnation: this.#newIncarnation(), events: [] }
    else this.#open(change)
  }

  #newIncarnation(): string {
    this.#incarnations += 1
    return `${this.#incarnations}`.padStart(16, "0")
  }

  #commit(): void {
    const { incarnation, events } = this.#log
    this.#ids += 1
    this.#moved += 1
    const position = BigInt(events.length) + 1n
    const event: Event = {
      id: `00000000-0000-4000-8000-0000${`${this.#ids}`.padStart(8, "0")}`,
      position,
      time: position,
      method: methods.set,
      entity: { domain, type: "t", key: `${this.#ids}`, values: {}, version: 1n },
      claims: {},
      erased: false
    }
    const previousId = events.at(-1)?.id ?? ""
    this.#previous.set(event.id, previousId)
    this.#log = { incarnation, events: [...events, event] }
    this.#announce({ incarnation, event, previousId }, true)
  }

  #announce(announcement: Announcement, mayRepeat: boolean): void {
    const step: Step = {
      kind: "hear",
      ways: () => {
        const hear = () => {
          this.#drop(step)
          this.#deliver([announcement])
        }
        const again = () => {
          hear()
          this.#announce(announcement, false)
        }
        return mayRepeat ? [hear, () => this.#drop(step), again] : [hear, () => this.#drop(step)]
      }
    }
    this.#steps.push(step)
  }

  #drop(step: Step): void {
    this.#steps = this.#steps.filter((other) => other !== step)
  }

  #open(how: "open" | "wide" | "all"): void {
    const stream: Stream = { seen: undefined, end: undefined }
    this.streams.push(stream)
    const selection = { domain: how === "wide" ? "*" : domain, type: "*", key: "*" }
    const globs = { domain: glob(selection.domain), type: glob("*"), key: glob("*") }
    const start: StreamRequest["start"] = how === "all" ? { _tag: "Beginning" } : { _tag: "Now" }
    const markIn = (cursor: string) => decodeCursor(cursor)!.marks.get(domain)
    const reading = Effect.flatMap(this.#feed!.open({ selection, globs, start }), ({ cursor, pull }) => {
      stream.seen = markIn(cursor)
      const pulled = Effect.map(pull, (deliveries) => {
        for (const { event, cursor: reached } of deliveries) {
          if (event === undefined) continue
          assert.strictEqual(event.position, (stream.seen?.position ?? 0n) + 1n, "one event after the other")
          const previous = shortId(this.#previous.get(event.id)!)
          assert.strictEqual(previous, stream.seen?.eventId ?? "", "the events of one log")
          const mark = markIn(reached)
          assert.strictEqual(mark?.incarnation, stream.seen?.incarnation ?? mark?.incarnation)
          stream.seen = mark
        }
      })
      return Effect.forever(pulled)
    })
    const fiber = Effect.runFork(this.#inside(Effect.scoped(reading)))
    fiber.addObserver((exit) => {
      if (Exit.isSuccess(exit) || Cause.hasInterruptsOnly(exit.cause)) return
      const end = Cause.squash(exit.cause)
      if (!(typeof end === "object" && end !== null && "_tag" in end)) this.failure ??= end
      else stream.end = end as Stream["end"]
      if (stream.end?._tag === "LogRewound" && this.#holds(stream.seen)) {
        this.failure ??= new Error("a stream ended as rewound, and what it has seen last is in the log")
      }
    })
  }

  /** The first property that did not hold. */
  failure: unknown
  /** Whether the feed reports that some log went back. */
  readonly isRewound = (): boolean => Effect.runSync(this.#inside(this.#feed!.rewoundLately))

  get #head(): Head | undefined {
    const { incarnation, events } = this.#log
    const last = events.at(-1)
    return last && { domain, incarnation, first: 1n, position: last.position, time: last.time, eventId: last.id }
  }

  /** A question, answered with what is there when it is asked, or when it is answered, or not at all. */
  #asked<A>(look: () => A): Effect.Effect<A, Unavailable> {
    return Effect.callback((resume) => {
      const early = look()
      const at = this.#log
      const answer = (outcome: () => Effect.Effect<A, Unavailable>) => () => {
        this.#drop(step)
        resume(outcome())
      }
      const [late, before] = [answer(() => Effect.sync(look)), answer(() => Effect.succeed(early))]
      const away = answer(() => Effect.fail(new Unavailable({ message: "away" })))
      const step: Step = { kind: "answer", ways: () => (this.#log === at ? [late, away] : [late, before, away]) }
      this.#steps.push(step)
      return Effect.sync(() => this.#drop(step))
    })
  }

  get #ports(): Layer.Layer<EventStore | Channel> {
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
        this.#asked(() => {
          const found = name === domain ? this.#log.events.filter(({ position }) => position > after) : []
          return { events: found.slice(0, limit), scanned: found.at(-1)?.position ?? after }
        }),
      heads: (wanted) => this.#asked(() => (this.#head !== undefined && matches(wanted, domain) ? [this.#head] : [])),
      movedSince: (mark) =>
        this.#asked(() => {
          const hasMoved = mark !== undefined && this.#moved > Number(mark) && this.#head !== undefined
          return { heads: hasMoved ? [this.#head!] : [], mark: `${this.#moved}` }
        })
    })
    const channel = Channel.of({
      publish: never,
      subscribe: (deliver) =>
        Effect.sync(() => {
          this.#deliver = deliver
        })
    })
    return Layer.merge(Layer.succeed(EventStore, store), Layer.succeed(Channel, channel))
  }

  #inside<A, E>(effect: Effect.Effect<A, E>): Effect.Effect<A, E> {
    return inModelTime(effect, { turns: this.#turns, millis: () => 0, sleep: this.#slept })
  }

  get #slept(): Effect.Effect<void> {
    return Effect.callback((resume) => {
      const wake = () => {
        this.#drop(step)
        this.#polls += 1
        resume(Effect.void)
      }
      const step: Step = { kind: "poll", ways: () => [wake] }
      this.#steps.push(step)
      return Effect.sync(() => this.#drop(step))
    })
  }
}
