import { Effect, type Tracer } from "effect"
import type { Job, Outcome } from "../domain/batch.ts"
import type { Event } from "../domain/event.ts"
import { jsonText, memoryBytes } from "../domain/json.ts"
import type { Rejection } from "../domain/rejection.ts"
import { type Defect, Draining, type OutcomeUnknown, Overloaded, Unavailable } from "./failure.ts"
import { commitBytesMax, commitEventsMax, queuedBytesMax, queuedJobsMax } from "./limits.ts"

/** The events of a job: made now, or by an earlier call with the same idempotency key. */
export interface JobResult {
  readonly events: ReadonlyArray<Event>
  readonly replayed: boolean
}

export type SubmitFailure = Rejection | Overloaded | Unavailable | Draining | OutcomeUnknown | Defect

/** A job in the queue or in flight. The caller may cancel it until a commit has decided it. */
export class QueuedJob {
  readonly job: Job
  /** Bytes that the job takes in a commit. */
  readonly bytes: number
  /** Bytes of memory that the job takes until then. */
  readonly heldBytes: number
  /** Milliseconds of the queue's clock at which the job arrived. */
  readonly arrivedAt: number
  /** The span of the waiting caller, if it is recorded. */
  readonly span: Tracer.Span | undefined
  #outcome: Effect.Effect<JobResult, SubmitFailure> | undefined
  #resume: ((outcome: Effect.Effect<JobResult, SubmitFailure>) => void) | undefined
  /** Called when a commit has decided the job. From then on the caller waits for the outcome. */
  onDecided: () => void = () => {}
  isDecided = false
  /** The caller left before the decision, or the queue failed the job. */
  isCancelled = false

  constructor(job: Job, bytes: number, heldBytes: number, arrivedAt: number, span?: Tracer.Span) {
    this.job = job
    this.bytes = bytes
    this.heldBytes = heldBytes
    this.arrivedAt = arrivedAt
    this.span = span
  }

  markDecided(): void {
    this.isDecided = true
    this.onDecided()
  }

  resolve(outcome: Effect.Effect<JobResult, SubmitFailure>): void {
    this.#outcome = outcome
    this.#resume?.(outcome)
  }

  /** The outcome may be known before the caller waits for it: a store may commit synchronously. */
  readonly outcome = Effect.callback<JobResult, SubmitFailure>((resume) => {
    if (this.#outcome !== undefined) resume(this.#outcome)
    else this.#resume = resume
  })
}

/** The size of one commit, over all its batches. */
interface CommitSize {
  events: number
  bytes: number
}

/** A batch whose commit is in flight. */
export interface InFlightBatch {
  readonly domain: string
  /** Milliseconds of the queue's clock at which the commit began, or last made progress. */
  lastProgressAt: number
  /** The commit has made no progress for `commitMsMax`. */
  isStalled: boolean
  readonly size: CommitSize
  /** Grows at its end while the commit waits. */
  jobs: ReadonlyArray<QueuedJob>
  /** The jobs of the last decision, with their outcomes in the same order. */
  decided: ReadonlyArray<QueuedJob>
  outcomes: ReadonlyArray<Outcome>
  /** Id of the last event before the decision. */
  previousId: string
  events: ReadonlyArray<Event>
}

// Memory of a command besides its names and values; generous, so that many small commands are bounded too.
const commandOverheadBytes = 256

const stopping = new Draining({ message: "the gateway is shutting down" })
const stalled = new Unavailable({ message: "the changes before this one take too long; try again later" })

const fail = (queued: QueuedJob, failure: Unavailable | Draining): void => {
  queued.isCancelled = true
  queued.markDecided()
  queued.resolve(Effect.fail(failure))
}

/** Jobs by domain, in order of arrival. A domain whose commit is in flight collects its next batch meanwhile. */
export class JobQueue {
  readonly #waiting = new Map<string, Set<QueuedJob>>()
  readonly #inFlight = new Map<string, InFlightBatch>()
  readonly #idleWorkers = new Set<() => void>()
  readonly #millis: () => number
  #jobs = 0
  #bytes = 0
  /** When a batch was last taken or completed. */
  #lastProgressAt = 0
  /** Every worker waits for a commit that makes no progress. */
  #isStalled = false
  #isClosed = false

  constructor(millis: () => number) {
    this.#millis = millis
  }

  /** Resumes when some domain can be taken. */
  readonly ready: Effect.Effect<void> = Effect.callback<void>((resume) => {
    if (this.#waiting.keys().some((domain) => !this.#inFlight.has(domain))) return resume(Effect.void)
    const wake = () => resume(Effect.void)
    this.#idleWorkers.add(wake)
    return Effect.sync(() => this.#idleWorkers.delete(wake))
  })

  /** The number of waiting jobs. */
  get jobs(): number {
    return this.#jobs
  }

  /** Bytes of memory that the waiting jobs take. */
  get bytes(): number {
    return this.#bytes
  }

  /** Makes a job ready for the queue, or answers why the queue refuses it. */
  admit(job: Job, span?: Tracer.Span): QueuedJob | Overloaded | Unavailable | Draining {
    if (this.#isClosed) return stopping
    const batch = this.#inFlight.get(job.domain)
    if (batch === undefined ? this.#isStalled : batch.isStalled) return stalled
    let bytes = 0
    let valuesBytes = 0
    for (const { change, ref } of job.commands) {
      bytes += commandOverheadBytes + ref.type.length + ref.key.length
      if ("values" in change) {
        bytes += jsonText(change.values).length
        valuesBytes += memoryBytes(change.values)
      }
    }
    if (this.#jobs >= queuedJobsMax || this.#bytes + bytes + valuesBytes > queuedBytesMax) {
      return new Overloaded({ message: "too many changes wait to be committed; try again later" })
    }
    return new QueuedJob(job, bytes, bytes + valuesBytes, this.#millis(), span)
  }

  enqueue(queued: QueuedJob): void {
    if (this.#isClosed) {
      fail(queued, stopping)
      return
    }
    this.#jobs += 1
    this.#bytes += queued.heldBytes
    const waiting = this.#waiting.get(queued.job.domain)
    if (waiting === undefined) this.#waiting.set(queued.job.domain, new Set([queued]))
    else waiting.add(queued)
    if (!this.#inFlight.has(queued.job.domain)) this.#wake()
  }

  /** Cancels a job whose caller has left. A commit in flight skips the job, unless it has decided it. */
  cancel(queued: QueuedJob): void {
    queued.isCancelled = true
    const waiting = this.#waiting.get(queued.job.domain)
    if (waiting?.delete(queued) !== true) return
    this.#onRemoved(queued)
    if (waiting.size === 0) this.#waiting.delete(queued.job.domain)
  }

  /** Takes the waiting jobs of domains without a commit in flight, up to the size of one commit. */
  take(domainsMax: number): ReadonlyArray<InFlightBatch> {
    const batches: Array<InFlightBatch> = []
    const size: CommitSize = { events: 0, bytes: 0 }
    const lastProgressAt = this.#millis()
    for (const domain of this.#waiting.keys()) {
      if (batches.length === domainsMax) break
      if (this.#inFlight.has(domain)) continue
      const jobs = this.#takeJobs(domain, size)
      if (jobs.length === 0) break
      const undecided = { decided: [], outcomes: [], previousId: "", events: [] }
      const batch: InFlightBatch = { domain, lastProgressAt, isStalled: false, size, jobs, ...undecided }
      this.#inFlight.set(domain, batch)
      batches.push(batch)
      this.#lastProgressAt = lastProgressAt
    }
    return batches
  }

  /** Records progress of a commit that waits for its turn, and adds jobs that have arrived meanwhile, up to its size. */
  addLaterJobs(batch: InFlightBatch): void {
    if (batch.isStalled) return
    batch.lastProgressAt = this.#millis()
    batch.jobs = [...batch.jobs, ...this.#takeJobs(batch.domain, batch.size)]
  }

  /**
   * Fails jobs whose commit has made no progress for `ms` milliseconds: undecided jobs of the commit and all jobs that
   * wait for it, since nothing of them is stored. The domain refuses new jobs until the commit completes. If no batch was
   * taken or completed for as long, the same holds for all domains.
   */
  failStalled(ms: number): void {
    const before = this.#millis() - ms
    for (const batch of this.#inFlight.values()) {
      if (batch.lastProgressAt >= before) continue
      batch.isStalled = true
      for (const queued of batch.jobs) if (!queued.isDecided) fail(queued, stalled)
      this.#failWaiting(batch.domain)
    }
    if (this.#inFlight.size === 0 || this.#lastProgressAt >= before) return
    const others = [...this.#waiting].filter(([domain]) => !this.#inFlight.has(domain))
    // Jobs that have just arrived may still be taken at once.
    if (!others.some(([, [first]]) => first!.arrivedAt < before)) return
    this.#isStalled = true
    for (const [domain] of others) this.#failWaiting(domain)
  }

  #failWaiting(domain: string): void {
    for (const queued of this.#waiting.get(domain) ?? []) {
      this.#onRemoved(queued)
      fail(queued, stalled)
    }
    this.#waiting.delete(domain)
  }

  /** Ends the commit of a domain. Jobs that it deferred are first in the next batch. */
  complete(domain: string, deferred: ReadonlyArray<QueuedJob>): void {
    this.#inFlight.delete(domain)
    this.#isStalled = false
    this.#lastProgressAt = this.#millis()
    if (this.#isClosed) {
      for (const queued of deferred) fail(queued, stopping)
      return
    }
    if (deferred.length > 0) {
      this.#waiting.set(domain, new Set([...deferred, ...(this.#waiting.get(domain) ?? [])]))
      for (const queued of deferred) {
        this.#jobs += 1
        this.#bytes += queued.heldBytes
      }
    }
    if (this.#waiting.has(domain)) this.#wake()
  }

  close(): void {
    this.#isClosed = true
    for (const waiting of this.#waiting.values()) for (const queued of waiting) fail(queued, stopping)
    this.#waiting.clear()
  }

  /** Takes waiting jobs of a domain that fit into the commit. The first job of a commit always fits. */
  #takeJobs(domain: string, size: CommitSize): ReadonlyArray<QueuedJob> {
    const waiting = this.#waiting.get(domain)
    if (waiting === undefined) return []
    const jobs: Array<QueuedJob> = []
    for (const queued of waiting) {
      const events = size.events + queued.job.commands.length
      const bytes = size.bytes + queued.bytes
      if (size.events > 0 && (events > commitEventsMax || bytes > commitBytesMax)) break
      size.events = events
      size.bytes = bytes
      jobs.push(queued)
    }
    if (jobs.length === 0) return jobs
    for (const queued of jobs) {
      waiting.delete(queued)
      this.#onRemoved(queued)
    }
    // The rest moves behind the other domains, so that a busy domain does not starve them.
    this.#waiting.delete(domain)
    if (waiting.size > 0) this.#waiting.set(domain, waiting)
    return jobs
  }

  #onRemoved(queued: QueuedJob): void {
    this.#jobs -= 1
    this.#bytes -= queued.heldBytes
  }

  #wake(): void {
    const [wake] = this.#idleWorkers
    if (wake === undefined) return
    this.#idleWorkers.delete(wake)
    wake()
  }
}
