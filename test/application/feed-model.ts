// A feed of which nothing happens by itself: a test chooses which answer, announcement or change of the log comes next,
// and what streams bring and end with is compared with the log after each. Without timers and promises, so that it is
// the same each time, everywhere.

import { Cause, Context, Effect, Exit, Layer } from "effect"
import { Unavailable } from "../../application/failure.ts"
import { Feed } from "../../application/feed/feed.ts"
import type { StreamRequest } from "../../application/feed/start.ts"
import { headsPollMs } from "../../application/limits.ts"
import type { Announcement, Channel } from "../../application/ports/Channel.ts"
import type { EventStore } from "../../application/ports/EventStore.ts"
import { decodeCursor, type StreamPosition } from "../../domain/cursor.ts"
import { domain, eventsText, type LogChange, ModelLog, streamPositionText } from "./feed-model-log.ts"
import { modelPorts } from "./feed-model-ports.ts"
import { check, ModelStream } from "./feed-model-stream.ts"
import { inModelTime } from "./feed-model-time.ts"
import { glob } from "./feed-world.ts"

/** `pause`: one before the store is asked again is over. */
export type Kind = "world" | "answer" | "hear" | "poll" | "pause"

/** What may happen next, and what a trace says of it. */
export interface Option {
  readonly says: string
  readonly take: () => void
}

/** Something that may happen next, in one of several ways, the usual one first. */
interface Step {
  readonly kind: Kind
  readonly ways: () => ReadonlyArray<Option>
}

/**
 * What happens, in this order: changes of the log, and streams that are opened. `open`: from now. `wide`: on all domains.
 * `all`: from the beginning. `idle`: on all domains, and it takes nothing before all the rest has happened.
 */
export type Change = LogChange | "open" | "wide" | "all" | "idle"

/** Looks at the heads in the middle of a history. */
const pollsMax = 2

/** Who asks the store. */
const Asker = Context.Reference<string>("test/Asker", { defaultValue: () => "the feed" })

export class FeedModel {
  readonly streams: Array<ModelStream> = []
  /** What happened so far, a line for each step. "#3@2" is the third event that was committed, at position 2. */
  readonly trace: Array<string> = []
  readonly #log = new ModelLog()
  #steps: Array<Step> = []
  #changes: ReadonlyArray<Change>
  #polls = 0
  /** Whether all was heard and answered, each answer with what there was at that time. */
  #isLossless = true
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
  options(order: ReadonlyArray<Kind>): ReadonlyArray<Option> {
    const all = [...this.#steps]
    const [change, ...rest] = this.#changes
    if (change !== undefined) {
      const take = () => {
        this.#changes = rest
        this.#change(change)
      }
      all.push({ kind: "world", ways: () => [{ says: change, take }] })
    }
    return order
      .flatMap((kind) => all.filter((step) => step.kind === kind))
      .filter(({ kind }) => kind !== "poll" || this.#polls < pollsMax)
      .flatMap((step) => step.ways())
  }

  take({ says, take }: Option): void {
    this.trace.push(says)
    take()
    this.#settle()
    const asked = this.#steps.filter(({ kind }) => kind === "answer").length
    const askedMax = 3 + this.streams.length
    check(asked <= askedMax, `at most ${askedMax} questions to the store at once`, () => `${asked}`)
  }

  /** Nothing goes wrong any more. What was announced is known by now; the heads are looked at a few times for the rest. */
  finish(): void {
    this.#rest()
    for (const { begin } of this.streams) begin()
    this.#settle()
    this.#rest()
    if (this.#isLossless && this.#log.changed === "commit") this.#compare("without one more look at the heads")
    for (let polls = 0; polls < 3; polls++) {
      this.#polls = 0
      const [poll] = this.options(["poll"])
      if (poll !== undefined) this.take(poll)
      this.#rest()
    }
    this.#compare("after more looks at the heads")
  }

  #rest(): void {
    for (let steps = 0; ; steps++) {
      check(steps < 200, "the feed comes to rest", () => "a step after the other, without end")
      const [next] = this.options(["world", "answer", "hear", "pause"])
      if (next === undefined) return
      this.take(next)
    }
  }

  #compare(after: string): void {
    for (const stream of this.streams) stream.compare(after)
  }

  close(): void {
    this.#close()
    this.#settle()
  }

  #settle(): void {
    for (let turns = 0; ; turns++) {
      const turn = this.#turns.shift()
      if (turn === undefined) return
      check(turns < 10_000, "what goes on by itself comes to rest", () => "a turn after the other, without end")
      turn()
    }
  }

  /** Adds what the step led to. */
  #note(text: string): void {
    this.trace.push(`${this.trace.pop() ?? ""}; ${text}`)
  }

  #change(change: Change): void {
    if (change === "open" || change === "wide" || change === "all" || change === "idle") {
      this.#open(change)
      return
    }
    const announcement = this.#log.change(change)
    this.#note(`there is ${this.#log}`)
    if (announcement !== undefined) this.#announce(announcement, true)
  }

  #announce(announcement: Announcement, mayRepeat: boolean): void {
    const { event, incarnation } = announcement
    const what = `${eventsText([event])} of log ${Number(incarnation)}`
    const done = () => this.#drop(step)
    const hear = () => {
      done()
      this.#deliver([announcement])
    }
    const lose = () => {
      done()
      this.#isLossless = false
    }
    const again = () => {
      hear()
      this.#announce(announcement, false)
    }
    const ways = [
      { says: `the channel brings ${what}`, take: hear },
      { says: `the channel loses ${what}`, take: lose },
      { says: `the channel brings ${what}, and will again`, take: again }
    ]
    const step: Step = { kind: "hear", ways: () => (mayRepeat ? ways : ways.slice(0, 2)) }
    this.#steps.push(step)
  }

  #drop(step: Step): void {
    this.#steps = this.#steps.filter((other) => other !== step)
  }

  #open(how: "open" | "wide" | "all" | "idle"): void {
    const name = `stream ${this.streams.length + 1}`
    const stream = new ModelStream(name, this.#log)
    this.streams.push(stream)
    const mayPull = Effect.callback<void>((resume) => {
      stream.begin = () => resume(Effect.void)
      if (how !== "idle") stream.begin()
    })
    const selection = { domain: how === "wide" || how === "idle" ? "*" : domain, type: "*", key: "*" }
    const globs = { domain: glob(selection.domain), type: glob("*"), key: glob("*") }
    const start: StreamRequest["start"] = how === "all" ? { _tag: "Beginning" } : { _tag: "Now" }
    this.#note(`${name} opens on ${selection.domain}`)
    const reading = Effect.flatMap(this.#feed!.open({ selection, globs, start }), ({ cursor, pull }) => {
      stream.seen = positionIn(cursor)
      this.#note(`${name} is open and has seen ${streamPositionText(stream.seen)}`)
      const pulled = Effect.map(pull, (items) => {
        for (const { event, cursor: reached } of items) {
          if (event === undefined) continue
          this.#note(`${name} takes ${eventsText([event])}`)
          stream.take(event, positionIn(reached))
        }
      })
      return Effect.andThen(mayPull, Effect.forever(pulled))
    })
    const fiber = Effect.runFork(this.#inside(Effect.provideService(Effect.scoped(reading), Asker, name)))
    fiber.addObserver((exit) => {
      if (Exit.isSuccess(exit) || Cause.hasInterruptsOnly(exit.cause)) return
      const end = Cause.squash(exit.cause)
      try {
        if (!(typeof end === "object" && end !== null && "_tag" in end)) throw end
        this.#note(`${name} ends with ${end._tag}`)
        stream.finish(end as { readonly _tag: string })
      } catch (failure) {
        this.failure ??= failure
      }
    })
  }

  /** The first property that did not hold. */
  failure: unknown
  /** Whether the feed reports that some log went back. */
  readonly isRewound = (): boolean => Effect.runSync(this.#inside(this.#feed!.rewoundLately))

  /** A question, answered with what is there when it is asked, or when it is answered, or not at all. */
  #asked<A>(question: string, look: () => A, text: (answer: A) => string): Effect.Effect<A, Unavailable> {
    return Effect.flatMap(Asker, (asker) =>
      Effect.callback((resume) => {
        const early = look()
        const at = this.#log.state
        const what = `the store answers ${asker}, which asked for ${question}`
        const way = (says: string, outcome: () => Effect.Effect<A, Unavailable>, isTrue: boolean): Option => ({
          says,
          take: () => {
            this.#isLossless &&= isTrue
            this.#drop(step)
            resume(outcome())
          }
        })
        const away = Effect.fail(new Unavailable({ message: "away" }))
        const step: Step = {
          kind: "answer",
          ways: () => [
            way(`${what}: ${text(look())}`, () => Effect.sync(look), true),
            ...(this.#log.state === at
              ? []
              : [way(`${what}, as it was then: ${text(early)}`, () => Effect.succeed(early), false)]),
            way(`${what}: it is away`, () => away, false)
          ]
        }
        this.#steps.push(step)
        return Effect.sync(() => this.#drop(step))
      })
    )
  }

  get #ports(): Layer.Layer<EventStore | Channel> {
    return modelPorts(
      this.#log,
      (question, look, text) => this.#asked(question, look, text),
      (deliver) => {
        this.#deliver = deliver
      }
    )
  }

  #inside<A, E>(effect: Effect.Effect<A, E>): Effect.Effect<A, E> {
    return inModelTime(effect, { turns: this.#turns, millis: () => 0, sleep: (ms) => this.#slept(ms) })
  }

  /** What sleeps for less than there is between looks at the heads pauses before it asks again. */
  #slept(ms: number): Effect.Effect<void> {
    const isPoll = ms >= headsPollMs * 0.75
    return Effect.callback((resume) => {
      const take = () => {
        this.#drop(step)
        if (isPoll) this.#polls += 1
        resume(Effect.void)
      }
      const says = isPoll ? "it is time to look at the heads" : `a pause of ${ms} ms is over`
      const step: Step = { kind: isPoll ? "poll" : "pause", ways: () => [{ says, take }] }
      this.#steps.push(step)
      return Effect.sync(() => this.#drop(step))
    })
  }
}

const positionIn = (cursor: string): StreamPosition | undefined => decodeCursor(cursor)!.positions.get(domain)
