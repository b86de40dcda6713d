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
import { Heartbeats, type WaitingStream } from "./heartbeats.ts"
import { pageFrom } from "./page.ts"
import { Reader, type StreamEnd, type StreamItem } from "./reader.ts"
import { StreamScheduler, slicedReads, TimeSlices } from "./scheduler.ts"
import { type StreamRequest, sinceOf, startsOf } from "./start.ts"
import type { Tail } from "./tail.ts"
import { Tails } from "./tails.ts"

/** An open stream. */
export interface FeedStream {
  /** Where the stream starts: it delivers every event that is committed after this cursor was made. */
  readonly cursor: string
  /**
   * The next items, at least one: events in order, or after a silence a heartbeat. The caller pulls again when it has
   * sent them, so that nothing accumulates for a slow client.
   */
  readonly pull: Effect.Effect<ReadonlyArray<StreamItem>, StreamEnd>
}

const draining = new Draining({ message: "the gateway is shutting down; open the stream again with its last cursor" })
const tooManyStreams = new Overloaded({ message: `this gateway serves ${streamsMax} streams already; try another` })

/**
 * Serves all streams of this process. Positions have no gaps, so a position alone shows which event is next, which was
 * seen and which is missing. The channel only lowers the latency: the feed reads missing events from the log.
 */
export class Feed extends Context.Service<
  Feed,
  {
    /** Opens a stream, which closes with the scope. From then on the stream misses no event. */
    readonly open: (
      request: StreamRequest
    ) => Effect.Effect<FeedStream, Rejection | Overloaded | StreamEnd, Scope.Scope>
    /** Ends all streams and refuses new ones. Clients resume at another gateway with their cursors. */
    readonly drain: Effect.Effect<void>
    /** Whether a stream found a rewound log within the last `rewoundMs`. */
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
      /** The token for the next `movedSince`; undefined while no stream is open. */
      let changeToken: string | undefined
      let isDraining = false
      let wakePoller = () => {}

      const untilStreamOpens = Effect.callback<void>((resume) => {
        wakePoller = () => resume(Effect.void)
        if (tails.readers.size > 0) wakePoller()
      })
      const checkHeads = Effect.gen(function* () {
        if (changeToken === undefined) return
        const before = tails.tailStates()
        const moved = yield* store.movedSince(changeToken)
        if (tails.readers.size > 0) changeToken = moved.changeToken
        tails.onHeads(moved.heads, before, "polled")
        tails.retry()
      })
      const pollHeads = Effect.gen(function* () {
        yield* untilStreamOpens
        const hasSingleDomain = [...tails.readers].some(({ globs }) => globs.domain.literal !== undefined)
        // Jitter keeps many gateways from querying one store at the same moment.
        const jitter = yield* Random.nextBetween(0.75, 1.25)
        yield* Effect.sleep((hasSingleDomain ? headsPollMs : headsPollWideMs) * jitter)
        yield* inBackground("feed-poll", checkHeads)
      })
      // A failed poll must not end the loop: only polls find announcements that the channel lost.
      yield* keepRunning("feed-poll", pollHeads)
      yield* channel.subscribe((announcements) => tails.onAnnouncements(announcements))

      /** The next events: from memory if possible, else from the log. A read of the log includes the last event that was seen. */
      const eventsAfter = Effect.fnUntraced(function* (reader: Reader, tail: Tail, limit: number) {
        const { domain } = tail
        const seen = reader.lastSeen(domain)
        const position = seen?.position ?? 0n
        const isUnverified = reader.takeUnverified(domain) || (seen !== undefined && !tail.agreesWith(seen))
        const inMemory = isUnverified ? undefined : tail.after(position, limit)
        if (inMemory !== undefined) return inMemory
        const overlap = position === 0n ? 0 : 1
        telemetry.count("logReads", 1)
        const events = yield* pageFrom(store, domain, position, limit)
        const [first] = events
        if (seen !== undefined && overlap === 1 && (first === undefined || shortId(first.id) !== seen.eventId)) {
          return yield* tails.recordRewind(domain)
        }
        // Before the first event there is nothing to compare: the head shows the incarnation.
        if (isUnverified || overlap === 0) {
          const incarnation = (yield* store.heads(literalGlob(domain), 1))[0]?.incarnation
          if (seen !== undefined && incarnation !== seen.incarnation) return yield* tails.recordRewind(domain)
          if (seen === undefined && incarnation !== tail.incarnation) return tails.suspect(reader, tail)
        }
        return events.length > overlap || position >= tail.head ? events.slice(overlap) : tails.suspect(reader, tail)
      })

      const pullOf = (reader: Reader, slices: TimeSlices): FeedStream["pull"] => {
        // Whether there is work before a deadline. A stream with work enqueues at once and continues in its slice.
        const waitForWork = (untilMs: number) =>
          Effect.callback<boolean>((resume) => {
            let isOver = false
            const over = (isBusy: boolean) => {
              isOver = true
              resume(Effect.succeed(isBusy))
            }
            const cancel = reader.whenBusy(() =>
              slices.onGrant("live", () => {
                heartbeats.remove(waiting)
                over(true)
              })
            )
            const leave = () => {
              cancel()
              slices.leave()
            }
            const waiting: WaitingStream = {
              untilMs,
              onTimeout: () => {
                leave()
                over(false)
              }
            }
            if (!isOver) heartbeats.add(waiting)
            return Effect.sync(() => {
              heartbeats.remove(waiting)
              leave()
            })
          })
        return Effect.gen(function* () {
          // The caller has sent the items of the previous pull.
          slices.end()
          const until = (yield* monotonicNow) + heartbeatMs
          while (true) {
            if (reader.ended !== undefined) return yield* Effect.fail(reader.ended)
            const tail = reader.next()
            if (tail !== undefined) {
              const lane = (reader.lastSeen(tail.domain)?.position ?? 0n) < tail.start ? "catch-up" : "live"
              if (!slices.isRunning) yield* slices.begin(lane)
              if (reader.ended !== undefined) continue
              const events = yield* eventsAfter(reader, tail, slices.events)
              // The slice ended if the store answered in a later turn; handling the events needs a new one.
              if (!slices.isRunning) yield* slices.begin(lane)
              slices.recordEvents(events.length)
              const items = reader.advance(tail, events, lane === "live")
              telemetry.count("delivered", items.length)
              if (items.length > 0) return items
              // Many events that the stream filters out must not block the process.
              slices.end()
              yield* Effect.yieldNow
            }
            const isQuiet = (yield* monotonicNow) >= until || (tail === undefined && !(yield* waitForWork(until)))
            if (!isQuiet) continue
            yield* slices.begin("live")
            // New domains may have made the cursor too long; computing it ends the stream then.
            const { cursor } = reader
            if (reader.ended === undefined) return [{ cursor }]
          }
        })
      }

      const open = Effect.fnUntraced(function* (request: StreamRequest) {
        if (isDraining) return yield* draining
        if (tails.readers.size >= streamsMax) {
          telemetry.count("streamsRefused", 1)
          return yield* tooManyStreams
        }
        const since = sinceOf(request)
        const isInFuture = since !== undefined && since > (yield* Clock.currentTimeNanos)
        const reader = new Reader(request.selection, request.globs, since, isInFuture ? since : undefined)
        const slices = new TimeSlices(scheduler)
        yield* Effect.acquireRelease(
          Effect.sync(() => tails.addReader(reader)),
          () =>
            Effect.sync(() => {
              slices.end()
              tails.removeReader(reader)
              if (tails.readers.size === 0) changeToken = undefined
            })
        )
        wakePoller()
        yield* slices.begin("live")
        // Gapless only in this order: receive changes first, query the heads second.
        if (changeToken === undefined) {
          const now = (yield* store.movedSince(undefined)).changeToken
          changeToken ??= now
        }
        const before = tails.tailStates()
        const starts = yield* startsOf(
          slicedReads(store, () => slices),
          request
        )
        for (const [domain, start] of starts) reader.moveTo(domain, start.position)
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
