import { Cause, Clock, Context, Duration, Effect, Exit, Layer, Result, type Tracer } from "effect"
import { decideBatch, type Job } from "../domain/batch.ts"
import { announcer } from "./announcer.ts"
import { keepRunning } from "./background.ts"
import { newEventId } from "./event-id.ts"
import { Defect, OutcomeUnknown, Unavailable } from "./failure.ts"
import { type Done, Entry, type Flight, JobQueue, type SubmitFailure } from "./job-queue.ts"
import { commitBytesMax, commitCheckMs, commitEventsMax, commitMsMax, spanLinksMax } from "./limits.ts"
import { monotonicMillis } from "./monotonic.ts"
import type { Announcement } from "./ports/Channel.ts"
import { type Committed, EventStore, type Unit } from "./ports/EventStore.ts"
import { clockWatch } from "./storage/clock-lag.ts"
import { Telemetry } from "./telemetry.ts"
import { inChildSpan, recordingTracer, startSpan } from "./tracing.ts"

/**
 * Group commit. Calls do not write: they hand over a job and wait. While a commit is under way the next batch
 * collects, without any timer, so that the busier the gateway is, the cheaper each write becomes.
 */
export class Committer extends Context.Service<
  Committer,
  {
    /** Succeeds once the job's events are durable. Fails at once when too many jobs wait. */
    readonly submit: (job: Job) => Effect.Effect<Done, SubmitFailure>
  }
>()("stategate/application/Committer") {
  static readonly layer = Layer.effect(
    Committer,
    Effect.gen(function* () {
      const store = yield* EventStore
      const announce = yield* announcer
      const clock = yield* Clock.Clock
      const telemetry = yield* Telemetry
      const tracer = yield* recordingTracer
      const watchClock = clockWatch(clock)
      const queue = new JobQueue(() => monotonicMillis(clock))
      telemetry.registerGauge("queuedJobs", () => queue.jobs)
      telemetry.registerGauge("queuedBytes", () => queue.bytes)
      const eventsMax = Math.min(commitEventsMax, store.capacity.events)
      const bytesMax = Math.min(commitBytesMax, store.capacity.bytes)

      const unitOf = (flight: Flight): Unit => ({
        domain: flight.domain,
        join: () => queue.join(flight),
        get refs() {
          return flight.entries.flatMap(({ job }) => job.commands.map(({ ref }) => ref))
        },
        get keys() {
          return flight.entries.flatMap(({ job }) => (job.idempotency === undefined ? [] : [job.idempotency]))
        },
        decide: (snapshot) => {
          // Whoever left while the store was looked at is not served any more.
          flight.entries = flight.entries.filter(({ isGone }) => !isGone)
          const now = clock.currentTimeNanosUnsafe()
          const batch = decideBatch(
            snapshot,
            flight.entries.map(({ job }) => job),
            { now, newId: () => newEventId(now), eventsMax, bytesMax }
          )
          flight.outcomes = batch.outcomes
          flight.events = batch.events
          flight.previousId = snapshot.eventId
          for (const [i, entry] of flight.entries.entries()) {
            if (batch.outcomes[i]?._tag !== "Deferred") entry.start()
          }
          return batch.events
        }
      })

      const land = (flight: Flight, result: Committed) => {
        const deferred: Array<Entry> = []
        for (const [i, entry] of flight.entries.entries()) {
          const outcome = flight.outcomes[i]
          if (Result.isFailure(result) || outcome?._tag === "Done") entry.start()
          if (Result.isFailure(result)) entry.finish(Effect.fail(result.failure))
          else if (outcome?._tag === "Done") entry.finish(Effect.succeed(outcome))
          else if (outcome?._tag === "Rejected") entry.finish(Effect.fail(outcome.rejection))
          else if (!entry.isGone) deferred.push(entry)
        }
        queue.land(flight.domain, deferred)
      }

      /** One write serves many calls: its span is a child of the first of them, and linked to the others. */
      const spanOf = (flights: ReadonlyArray<Flight>, since: bigint): Tracer.Span | undefined => {
        if (tracer === undefined) return undefined
        const spans = flights.flatMap(({ entries }) => entries.flatMap(({ span }) => (span?.sampled ? span : [])))
        const [parent, ...links] = spans.slice(0, spanLinksMax + 1)
        if (parent === undefined) return undefined
        return startSpan(tracer, clock, { name: "EventStore.commit", kind: "client", parent, links, since })
      }

      const commit = Effect.fnUntraced(function* (flights: ReadonlyArray<Flight>, open: Set<Flight>) {
        const since = clock.currentTimeNanosUnsafe()
        const landed = (some: ReadonlyArray<readonly [Flight, Committed]>) => {
          const now = some.filter(([flight]) => open.delete(flight))
          for (const [flight, result] of now) land(flight, result)
          announce(now.flatMap(announcementsOf))
        }
        const told = (i: number, result: Committed) => landed([[flights[i]!, result]])
        // Whatever a store does, interrupting itself included: the callers get an answer, and the next batch its turn.
        // Once it has decided it may have written, and nobody knows.
        const results = yield* Effect.catchCause(store.commit(flights.map(unitOf), told), (failed) => {
          const cause = Cause.squash(failed)
          return Effect.succeed(
            flights.map(({ outcomes }) =>
              Result.fail(
                outcomes.length > 0
                  ? new OutcomeUnknown({ cause })
                  : Cause.hasDies(failed)
                    ? new Defect({ cause })
                    : new Unavailable({ message: "the store failed", cause })
              )
            )
          )
        })
        const until = clock.currentTimeNanosUnsafe()
        const events = flights.reduce(
          (sum, flight, i) => sum + (Result.isSuccess(results[i]!) ? flight.events.length : 0),
          0
        )
        const [failure] = results.flatMap((result) => (Result.isFailure(result) ? result.failure : []))
        telemetry.recordCommit({ events, durationMs: Number(until - since) / 1e6, failed: failure !== undefined })
        // Not before: who joined is known now.
        const span = spanOf(flights, since)
        span?.attribute("stategate.commit.events", events)
        span?.end(until, failure === undefined ? Exit.void : Exit.fail(failure))
        landed(flights.map((flight, i) => [flight, results[i]!]))
        for (const [i, { events }] of flights.entries()) {
          const last = events.at(-1)
          if (last !== undefined && Result.isSuccess(results[i]!)) yield* watchClock(last.time)
        }
      })

      const worker = Effect.gen(function* () {
        yield* queue.ready
        // Calls that arrived in the same turn of the event loop join before the batch leaves. A store that blocks the
        // loop while it commits would otherwise never see more than one.
        yield* Effect.yieldNow
        const flights = queue.take(store.capacity.domains)
        if (flights.length === 0) return
        const open = new Set(flights)
        // Else their domains would wait for ever for the end of a commit that a bug of ours has ended.
        const giveUp = (failed: Cause.Cause<never>) =>
          Effect.sync(() => {
            const unknown = Result.fail(new OutcomeUnknown({ cause: Cause.squash(failed) }))
            for (const flight of open) land(flight, unknown)
          })
        yield* Effect.uninterruptible(Effect.onError(commit(flights, open), giveUp))
      })
      yield* Effect.forEach(Array.from({ length: store.capacity.commits }), () => keepRunning("committer", worker), {
        discard: true
      })
      let wasLate = false
      const look = Effect.map(Effect.timed(Effect.sleep(commitCheckMs)), ([took]) => {
        // A process that was halted hears of what is over only now: once it has, it may judge.
        wasLate = !wasLate && Duration.toMillis(took) > 2 * commitCheckMs
        if (!wasLate) queue.refuseLate(commitMsMax)
      })
      yield* keepRunning("late-commits", look)
      yield* Effect.addFinalizer(() => Effect.sync(() => queue.close()))

      const submitted = (job: Job, span?: Tracer.Span): Effect.Effect<Done, SubmitFailure> =>
        Effect.uninterruptible(
          Effect.suspend(() => {
            const entry = queue.admit(job, span)
            if (!(entry instanceof Entry)) {
              if (entry._tag === "Overloaded") telemetry.count("jobsRefused", 1)
              return Effect.fail(entry)
            }
            const start = Effect.callback<void>((resume) => {
              entry.onStart = () => resume(Effect.void)
              queue.enqueue(entry)
              return Effect.sync(() => queue.drop(entry))
            })
            // The one moment at which a caller may leave, even one who may not elsewhere.
            return Effect.flatMap(Effect.interruptible(start), () => entry.outcome)
          })
        )

      if (tracer === undefined) return Committer.of({ submit: (job) => submitted(job) })
      const traced = inChildSpan(tracer, clock, "Committer.submit")
      return Committer.of({ submit: (job) => traced((span) => submitted(job, span)) })
    })
  )
}

const announcementsOf = ([flight, result]: readonly [Flight, Committed]): ReadonlyArray<Announcement> =>
  Result.isFailure(result)
    ? []
    : flight.events.map((event, i) => ({
        incarnation: result.success.incarnation,
        event,
        previousId: i === 0 ? flight.previousId : flight.events[i - 1]!.id
      }))
