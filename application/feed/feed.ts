import { Clock, Context, Effect, Layer, Random, type Scope } from "effect"
import { shortId } from "../../domain/cursor.ts"
import { literalGlob } from "../../domain/glob.ts"
import type { Rejection } from "../../domain/rejection.ts"
import { backgroundStarter, inBackground, keepRunning } from "../background.ts"
import { Draining, Overloaded } from "../failure.ts"
import { headsPollMs, headsPollWideMs, heartbeatMs, rewoundMs, streamsMax } from "../limits.ts"
import { monotonicMillis, monotonicNow } from "../monotonic.ts"
import { Channel } from "../ports/Channel.ts"
import { EventStore } from "../ports/EventStore.ts"
import { Telemetry } from "../telemetry.ts"
import { Heartbeats, type Silent } from "./heartbeats.ts"
import { pageFrom } from "./page.ts"
import { type Delivery, Reader, type StreamEnd } from "./reader.ts"
import { StreamScheduler, slicedReads, TimeSlices } from "./scheduler.ts"
import { marksOf, type StreamRequest, sinceOf } from "./start.ts"
import type { Tail } from "./tail.ts"
import { Tails } from "./tails.ts"

/** An open stream. */
export interface FeedStream {
  /** Where it starts: what is committed after this was made is delivered. */
  readonly cursor: string
  /**
   * The next deliveries, at least one: events in order, or after a silence one without an event. The caller asks again
   * when it has passed them on, so that nothing piles up for a slow one.
   */
  readonly pull: Effect.Effect<ReadonlyArray<Delivery>, StreamEnd>
}

const draining = new Draining({ message: "the gateway is shutting down; open the stream again with its cursor" })
const tooMany = new Overloaded({ message: `this gateway serves ${streamsMax} streams already; try another` })

/**
 * Serves every stream of this process. The log has no gaps, so a position says all: what is next is delivered, what was
 * seen is dropped, and what is missing is read. The channel only makes it quick.
 */
export class Feed extends Context.Service<
  Feed,
  {
    /** Opens a stream, which closes with the scope. Once it succeeds the stream misses nothing. */
    readonly open: (
      request: StreamRequest
    ) => Effect.Effect<FeedStream, Rejection | Overloaded | StreamEnd, Scope.Scope>
    /** Ends all streams, and refuses new ones: their callers go on elsewhere, from their cursors. */
    readonly drain: Effect.Effect<void>
    /** Whether some stream found lately that its log went back in time. */
    readonly rewoundLately: Effect.Effect<boolean>
  }
>()("stategate/application/Feed") {
  static readonly layer = Layer.effect(
    Feed,
    Effect.gen(function* () {
      const store = yield* EventStore
      const channel = yield* Channel
      const telemetry = yield* Telemetry
      const clock = yield* Clock.Clock
      const scheduler = yield* StreamScheduler.make(() => monotonicMillis(clock))
      const start = yield* backgroundStarter
      const tails = new Tails(
        slicedReads(store, () => new TimeSlices(scheduler)),
        start,
        telemetry,
        clock
      )
      const heartbeats = new Heartbeats(clock, (work) => start("feed-heartbeat", work))
      telemetry.registerGauge("streams", () => tails.readers.size)
      /** Heads that move after this are looked at; unset while nobody streams. */
      let changeToken: string | undefined
      let isDraining = false
      let wakePoller = () => {}

      const someoneStreams = Effect.callback<void>((resume) => {
        wakePoller = () => resume(Effect.void)
        if (tails.readers.size > 0) wakePoller()
      })
      const look = Effect.gen(function* () {
        if (changeToken === undefined) return
        const before = tails.positions()
        const moved = yield* store.movedSince(changeToken)
        if (tails.readers.size > 0) changeToken = moved.changeToken
        tails.onHeads(moved.heads, before, "polled")
        tails.retry()
      })
      const poll = Effect.gen(function* () {
        yield* someoneStreams
        const narrow = [...tails.readers].some(({ globs }) => globs.domain.literal !== undefined)
        // Jitter, so that many gateways do not ask one store in step.
        const jitter = yield* Random.nextBetween(0.75, 1.25)
        yield* Effect.sleep((narrow ? headsPollMs : headsPollWideMs) * jitter)
        yield* inBackground("feed-poll", look)
      })
      // Whatever a store does, the next look is taken: without it, nothing would find what the channel loses.
      yield* keepRunning("feed-poll", poll)
      yield* channel.subscribe((announcements) => tails.announced(announcements))

      /** From memory where possible, else from the log, overlapping by one event that must be the one that was seen. */
      const eventsAfter = Effect.fnUntraced(function* (reader: Reader, tail: Tail, limit: number) {
        const { domain } = tail
        const seen = reader.seen(domain)
        const position = seen?.position ?? 0n
        const isUnsure = reader.takeUnsure(domain) || (seen !== undefined && !tail.agreesWith(seen))
        const near = isUnsure ? undefined : tail.after(position, limit)
        if (near !== undefined) return near
        const overlap = position === 0n ? 0 : 1
        telemetry.count("logReads", 1)
        const events = yield* pageFrom(store, domain, position, limit)
        const [first] = events
        if (seen !== undefined && overlap === 1 && (first === undefined || shortId(first.id) !== seen.eventId)) {
          return yield* tails.rewound(domain)
        }
        // At the very beginning there is nothing to overlap with; the head tells whose log it was.
        if (isUnsure || overlap === 0) {
          const incarnation = (yield* store.heads(literalGlob(domain), 1))[0]?.incarnation
          if (seen !== undefined && incarnation !== seen.incarnation) return yield* tails.rewound(domain)
          if (seen === undefined && incarnation !== tail.incarnation) return tails.doubt(reader, tail)
        }
        return events.length > overlap || position >= tail.head ? events.slice(overlap) : tails.doubt(reader, tail)
      })

      const pullOf = (reader: Reader, slices: TimeSlices): FeedStream["pull"] => {
        // A stream that has something to do gets in line at once, and goes on when it is granted its slice.
        const busyBefore = (untilMs: number) =>
          Effect.callback<boolean>((resume) => {
            let isOver = false
            const over = (isBusy: boolean) => {
              isOver = true
              resume(Effect.succeed(isBusy))
            }
            const ignore = reader.whenBusy(() =>
              slices.onGrant("live", () => {
                heartbeats.remove(silent)
                over(true)
              })
            )
            const leave = () => {
              ignore()
              slices.leave()
            }
            const silent: Silent = {
              untilMs,
              speak: () => {
                leave()
                over(false)
              }
            }
            if (!isOver) heartbeats.add(silent)
            return Effect.sync(() => {
              heartbeats.remove(silent)
              leave()
            })
          })
        return Effect.gen(function* () {
          // What it gave last has been passed on.
          slices.end()
          const until = (yield* monotonicNow) + heartbeatMs
          while (true) {
            if (reader.ended !== undefined) return yield* Effect.fail(reader.ended)
            const tail = reader.next()
            if (tail !== undefined) {
              const lane = (reader.seen(tail.domain)?.position ?? 0n) < tail.start ? "catch-up" : "live"
              if (!slices.isRunning) yield* slices.begin(lane)
              if (reader.ended !== undefined) continue
              const events = yield* eventsAfter(reader, tail, slices.events)
              // A store that answers later does so beside others, and what is done with its answer takes longest.
              if (!slices.isRunning) yield* slices.begin(lane)
              slices.took(events.length)
              const deliveries = reader.advance(tail, events, lane === "live")
              telemetry.count("delivered", deliveries.length)
              if (deliveries.length > 0) return deliveries
              // A long stretch that nobody asked for must not hold up the process.
              slices.end()
              yield* Effect.yieldNow
            }
            const isQuiet = (yield* monotonicNow) >= until || (tail === undefined && !(yield* busyBefore(until)))
            if (!isQuiet) continue
            yield* slices.begin("live")
            // Domains may have joined in silence until the cursor cannot hold them: making it tells, and ends the stream.
            const { cursor } = reader
            if (reader.ended === undefined) return [{ cursor }]
          }
        })
      }

      const open = Effect.fnUntraced(function* (request: StreamRequest) {
        if (isDraining) return yield* draining
        if (tails.readers.size >= streamsMax) {
          telemetry.count("streamsRefused", 1)
          return yield* tooMany
        }
        const since = sinceOf(request)
        const isAhead = since !== undefined && since > (yield* Clock.currentTimeNanos)
        const reader = new Reader(request.selection, request.globs, since, isAhead ? since : undefined)
        const slices = new TimeSlices(scheduler)
        yield* Effect.acquireRelease(
          Effect.sync(() => tails.join(reader)),
          () =>
            Effect.sync(() => {
              slices.end()
              tails.leave(reader)
              if (tails.readers.size === 0) changeToken = undefined
            })
        )
        wakePoller()
        yield* slices.begin("live")
        // The order is what makes it gapless: be told of movements first, then look where everything stands.
        if (changeToken === undefined) {
          const now = (yield* store.movedSince(undefined)).changeToken
          changeToken ??= now
        }
        const before = tails.positions()
        const starts = yield* marksOf(
          slicedReads(store, () => slices),
          request
        )
        for (const [domain, start] of starts) reader.place(domain, start.mark)
        tails.onHeads(
          Array.from(starts.values(), ({ head }) => head),
          before
        )
        for (const domain of starts.keys()) tails.attach(reader, domain)
        const cursor = reader.cursor
        return reader.ended === undefined ? { cursor, pull: pullOf(reader, slices) } : yield* Effect.fail(reader.ended)
      })

      const drain = Effect.sync(() => {
        isDraining = true
        for (const reader of tails.readers) reader.end(draining)
      })

      const rewoundLately = Effect.map(
        monotonicNow,
        (now) => tails.rewoundAtMs !== undefined && now - tails.rewoundAtMs < rewoundMs
      )
      return Feed.of({ open, drain, rewoundLately })
    })
  )
}
