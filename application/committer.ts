import { Cause, Clock, Context, Duration, Effect, Exit, Layer, Result, type Tracer } from "effect"
import { decideBatch, type Job } from "../domain/batch.ts"
import { announcer } from "./announcer.ts"
import { keepRunning } from "./background.ts"
import { newEventId } from "./event-id.ts"
import { Defect, OutcomeUnknown, Unavailable } from "./failure.ts"
import { type InFlightBatch, JobQueue, type JobResult, QueuedJob, type SubmitFailure } from "./job-queue.ts"
import { commitBytesMax, commitCheckMs, commitEventsMax, commitMsMax, spanLinksMax } from "./limits.ts"
import { monotonicMillis } from "./monotonic.ts"
import type { Announcement } from "./ports/Channel.ts"
import { type Batch, type BatchResult, EventStore } from "./ports/EventStore.ts"
import { clockWatch } from "./storage/clock-lag.ts"
import { Telemetry } from "./telemetry.ts"
import { inChildSpan, recordingTracer, startSpan } from "./tracing.ts"

/**
 * Group commit. Calls submit a job and wait. While the commit of a domain is in flight, jobs collect into its next batch.
 * No timer delays them, and the cost of a commit per job falls as the load rises.
 */
export class Committer extends Context.Service<
  Committer,
  {
    /** Succeeds once the events of the job are durable. Fails at once with `Overloaded` when too many jobs wait. */
    readonly submit: (job: Job) => Effect.Effect<JobResult, SubmitFailure>
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

      const batchOf = (inFlight: InFlightBatch): Batch => {
        const { domain, jobs } = inFlight
        return {
          domain,
          withLaterJobs: () => {
            queue.addLaterJobs(inFlight)
            return batchOf(inFlight)
          },
          refs: jobs.flatMap(({ job }) => job.commands.map(({ ref }) => ref)),
          keys: jobs.flatMap(({ job }) => (job.idempotency === undefined ? [] : [job.idempotency])),
          decide: (snapshot) => {
            // Callers may have left while the store made the snapshot.
            const decided = jobs.filter(({ isCancelled }) => !isCancelled)
            const now = clock.currentTimeNanosUnsafe()
            const { events, outcomes } = decideBatch(
              snapshot,
              decided.map(({ job }) => job),
              { now, newId: () => newEventId(now), eventsMax, bytesMax }
            )
            Object.assign(inFlight, { decided, outcomes, events, previousId: snapshot.eventId })
            for (const [i, queued] of decided.entries()) {
              if (outcomes[i]?._tag !== "Deferred") queued.markDecided()
            }
            return events
          }
        }
      }

      const complete = (batch: InFlightBatch, result: BatchResult) => {
        const outcomes = new Map(batch.decided.map((queued, i) => [queued, batch.outcomes[i]]))
        const deferred: Array<QueuedJob> = []
        for (const queued of batch.jobs) {
          const outcome = outcomes.get(queued)
          if (Result.isFailure(result) || outcome?._tag === "Done") queued.markDecided()
          if (Result.isFailure(result)) queued.resolve(Effect.fail(result.failure))
          else if (outcome?._tag === "Done") queued.resolve(Effect.succeed(outcome))
          else if (outcome?._tag === "Rejected") queued.resolve(Effect.fail(outcome.rejection))
          else if (!queued.isCancelled) deferred.push(queued)
        }
        queue.complete(batch.domain, deferred)
      }

      /** One commit serves many calls: its span is a child of the first recorded call, and linked to the others. */
      const spanOf = (batches: ReadonlyArray<InFlightBatch>, since: bigint): Tracer.Span | undefined => {
        if (tracer === undefined) return undefined
        const jobs = batches.flatMap((batch) => batch.jobs.filter(({ isCancelled }) => !isCancelled))
        const spans = jobs.flatMap(({ span }) => (span?.sampled ? span : []))
        const [parent, ...links] = spans.slice(0, spanLinksMax + 1)
        if (parent === undefined) return undefined
        return startSpan(tracer, clock, { name: "EventStore.commit", kind: "client", parent, links, since })
      }

      const commit = Effect.fnUntraced(function* (batches: ReadonlyArray<InFlightBatch>, open: Set<InFlightBatch>) {
        const since = clock.currentTimeNanosUnsafe()
        const completeOpen = (results: ReadonlyArray<readonly [InFlightBatch, BatchResult]>) => {
          const now = results.filter(([batch]) => open.delete(batch))
          for (const [batch, result] of now) complete(batch, result)
          announce(now.flatMap(announcementsOf))
        }
        const onBatchCommitted = (i: number, result: BatchResult) => completeOpen([[batches[i]!, result]])
        // A store that dies or interrupts itself must not leave callers without an answer or block its domains. After a
        // decision it may have written, so the outcome is unknown.
        const results = yield* Effect.catchCause(store.commit(batches.map(batchOf), onBatchCommitted), (failed) => {
          const cause = Cause.squash(failed)
          return Effect.succeed(
            batches.map(({ outcomes }) =>
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
        const events = batches.reduce(
          (sum, batch, i) => sum + (Result.isSuccess(results[i]!) ? batch.events.length : 0),
          0
        )
        const [failure] = results.flatMap((result) => (Result.isFailure(result) ? result.failure : []))
        telemetry.recordCommit({ events, durationMs: Number(until - since) / 1e6, failed: failure !== undefined })
        // Only now is it known which jobs were part of the commit.
        const span = spanOf(batches, since)
        span?.attribute("stategate.commit.events", events)
        span?.end(until, failure === undefined ? Exit.void : Exit.fail(failure))
        completeOpen(batches.map((batch, i) => [batch, results[i]!]))
        for (const [i, { events }] of batches.entries()) {
          const last = events.at(-1)
          if (last !== undefined && Result.isSuccess(results[i]!)) yield* watchClock(last.time)
        }
      })

      const worker = Effect.gen(function* () {
        yield* queue.ready
        // Wait for calls that arrive in the same turn of the event loop. A store that blocks the loop while it commits
        // would otherwise get batches of a single job.
        yield* Effect.yieldNow
        const batches = queue.take(store.capacity.domains)
        if (batches.length === 0) return
        const open = new Set(batches)
        // A defect in `commit` must not leave its domains in flight forever.
        const failOpen = (failed: Cause.Cause<never>) =>
          Effect.sync(() => {
            const unknown = Result.fail(new OutcomeUnknown({ cause: Cause.squash(failed) }))
            for (const batch of open) complete(batch, unknown)
          })
        yield* Effect.uninterruptible(Effect.onError(commit(batches, open), failOpen))
      })
      yield* Effect.forEach(Array.from({ length: store.capacity.commits }), () => keepRunning("committer", worker), {
        discard: true
      })
      let wasLate = false
      const failStalled = Effect.map(Effect.timed(Effect.sleep(commitCheckMs)), ([took]) => {
        // After a pause of the whole process, completed commits are still to be noticed: skip one check.
        wasLate = !wasLate && Duration.toMillis(took) > 2 * commitCheckMs
        if (!wasLate) queue.failStalled(commitMsMax)
      })
      yield* keepRunning("late-commits", failStalled)
      yield* Effect.addFinalizer(() => Effect.sync(() => queue.close()))

      const submit = (job: Job, span?: Tracer.Span): Effect.Effect<JobResult, SubmitFailure> =>
        Effect.uninterruptible(
          Effect.suspend(() => {
            const queued = queue.admit(job, span)
            if (!(queued instanceof QueuedJob)) {
              if (queued._tag === "Overloaded") telemetry.count("jobsRefused", 1)
              return Effect.fail(queued)
            }
            const decided = Effect.callback<void>((resume) => {
              queued.onDecided = () => resume(Effect.void)
              queue.enqueue(queued)
              return Effect.sync(() => queue.cancel(queued))
            })
            // The caller can leave only before the decision, even if it is uninterruptible elsewhere.
            return Effect.flatMap(Effect.interruptible(decided), () => queued.outcome)
          })
        )

      if (tracer === undefined) return Committer.of({ submit: (job) => submit(job) })
      const traced = inChildSpan(tracer, clock, "Committer.submit")
      return Committer.of({ submit: (job) => traced((span) => submit(job, span)) })
    })
  )
}

const announcementsOf = ([batch, result]: readonly [InFlightBatch, BatchResult]): ReadonlyArray<Announcement> =>
  Result.isFailure(result)
    ? []
    : batch.events.map((event, i) => ({
        incarnation: result.success.incarnation,
        event,
        previousId: i === 0 ? batch.previousId : batch.events[i - 1]!.id
      }))
