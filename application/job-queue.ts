import { Effect, type Tracer } from "effect"
import type { Job, Outcome } from "../domain/batch.ts"
import type { Event } from "../domain/event.ts"
import { jsonText, memoryBytes } from "../domain/json.ts"
import type { Rejection } from "../domain/rejection.ts"
import { type Defect, Draining, type OutcomeUnknown, Overloaded, Unavailable } from "./failure.ts"
import { commitBytesMax, commitEventsMax, queuedBytesMax, queuedJobsMax } from "./limits.ts"

/** The events of a job: made just now, or by an earlier call with the same idempotency key. */
export interface Done {
  readonly events: ReadonlyArray<Event>
  readonly replayed: boolean
}

export type SubmitFailure = Rejection | Overloaded | Unavailable | Draining | OutcomeUnknown | Defect

/** A job on its way. Its caller may leave while it waits; once its commit is under way, the outcome is awaited. */
export class Entry {
  readonly job: Job
  /** What it takes in a commit. */
  readonly bytes: number
  /** What it takes in memory until then. */
  readonly heldBytes: number
  /** Milliseconds of the queue's clock at which it came. */
  readonly since: number
  /** Where the caller waits, if that is recorded. */
  readonly span: Tracer.Span | undefined
  #outcome: Effect.Effect<Done, SubmitFailure> | undefined
  #tell: ((outcome: Effect.Effect<Done, SubmitFailure>) => void) | undefined
  /** Called when a commit has decided the job: from then on its outcome counts, whoever waits for it. */
  onStart: () => void = () => {}
  isStarted = false
  /** The caller has left before that, or was refused. */
  isGone = false

  constructor(job: Job, bytes: number, heldBytes: number, since: number, span?: Tracer.Span) {
    this.job = job
    this.bytes = bytes
    this.heldBytes = heldBytes
    this.since = since
    this.span = span
  }

  start(): void {
    this.isStarted = true
    this.onStart()
  }

  finish(outcome: Effect.Effect<Done, SubmitFailure>): void {
    this.#outcome = outcome
    this.#tell?.(outcome)
  }

  /** The outcome may be there before anyone asks: a store need not take its time. */
  readonly outcome = Effect.callback<Done, SubmitFailure>((resume) => {
    if (this.#outcome !== undefined) resume(this.#outcome)
    else this.#tell = resume
  })
}

/** What one commit holds, of all its domains. */
interface Load {
  events: number
  bytes: number
}

/** What one commit does for one domain. */
export interface Flight {
  readonly domain: string
  /** Milliseconds of the queue's clock at which it was taken, or got on. */
  since: number
  /** It takes so long that nobody waits for its end any more who need not. */
  isLate: boolean
  readonly load: Load
  entries: ReadonlyArray<Entry>
  outcomes: ReadonlyArray<Outcome>
  /** Id of the event behind which they were decided. */
  previousId: string
  events: ReadonlyArray<Event>
}

// What a command takes in memory beside its names and values; generous, so that small ones are bounded too.
const commandOverheadBytes = 256

const stopping = new Draining({ message: "the gateway is shutting down" })
const late = new Unavailable({ message: "the changes before this one take too long; try again later" })

const refuse = (entry: Entry, failure: Unavailable | Draining): void => {
  entry.isGone = true
  entry.start()
  entry.finish(Effect.fail(failure))
}

/** Jobs by domain, in order of arrival. A domain whose commit is under way keeps collecting and is not taken. */
export class JobQueue {
  readonly #waiting = new Map<string, Set<Entry>>()
  readonly #flying = new Map<string, Flight>()
  readonly #sleepers = new Set<() => void>()
  readonly #millis: () => number
  #jobs = 0
  #bytes = 0
  /** When something was taken last, or over. */
  #gotOnAt = 0
  /** Nothing is, for all who could take it are with commits that take long. */
  #isStuck = false
  #closed = false

  constructor(millis: () => number) {
    this.#millis = millis
  }

  /** Resumes when some domain can be taken. */
  readonly ready: Effect.Effect<void> = Effect.callback<void>((resume) => {
    if (this.#waiting.keys().some((domain) => !this.#flying.has(domain))) return resume(Effect.void)
    const wake = () => resume(Effect.void)
    this.#sleepers.add(wake)
    return Effect.sync(() => this.#sleepers.delete(wake))
  })

  /** How many jobs wait, and the memory that they take. */
  get jobs(): number {
    return this.#jobs
  }

  get bytes(): number {
    return this.#bytes
  }

  admit(job: Job, span?: Tracer.Span): Entry | Overloaded | Unavailable | Draining {
    if (this.#closed) return stopping
    const flight = this.#flying.get(job.domain)
    if (flight === undefined ? this.#isStuck : flight.isLate) return late
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
    return new Entry(job, bytes, bytes + valuesBytes, this.#millis(), span)
  }

  enqueue(entry: Entry): void {
    if (this.#closed) {
      refuse(entry, stopping)
      return
    }
    this.#jobs += 1
    this.#bytes += entry.heldBytes
    const waiting = this.#waiting.get(entry.job.domain)
    if (waiting === undefined) this.#waiting.set(entry.job.domain, new Set([entry]))
    else waiting.add(entry)
    if (!this.#flying.has(entry.job.domain)) this.#wake()
  }

  /** The caller has gone. A job that is with the committer already is left out there, unless it has been decided. */
  drop(entry: Entry): void {
    entry.isGone = true
    const waiting = this.#waiting.get(entry.job.domain)
    if (waiting?.delete(entry) !== true) return
    this.#left(entry)
    if (waiting.size === 0) this.#waiting.delete(entry.job.domain)
  }

  /** All that waits in domains whose commit is not under way, up to what one commit holds. */
  take(domainsMax: number): ReadonlyArray<Flight> {
    const flights: Array<Flight> = []
    const load: Load = { events: 0, bytes: 0 }
    const since = this.#millis()
    for (const domain of this.#waiting.keys()) {
      if (flights.length === domainsMax) break
      if (this.#flying.has(domain)) continue
      const entries = this.#taken(domain, load)
      if (entries.length === 0) break
      const flight: Flight = { domain, since, isLate: false, load, entries, outcomes: [], previousId: "", events: [] }
      this.#flying.set(domain, flight)
      flights.push(flight)
      this.#gotOnAt = since
    }
    return flights
  }

  /** Has those who have come meanwhile join a commit that gets on and is still to be decided, up to what it holds. */
  join(flight: Flight): void {
    if (flight.isLate) return
    flight.since = this.#millis()
    flight.entries = [...flight.entries, ...this.#taken(flight.domain, flight.load)]
  }

  /**
   * Of commits that have not got on for so many milliseconds: whoever waits behind one is refused, and whoever is in it
   * and not decided, since nothing of theirs is stored; and whoever comes, until it is over. If nothing at all was taken,
   * or over, for as long, that is so for all domains.
   */
  refuseLate(ms: number): void {
    const moment = this.#millis() - ms
    for (const flight of this.#flying.values()) {
      if (flight.since >= moment) continue
      flight.isLate = true
      for (const entry of flight.entries) if (!entry.isStarted) refuse(entry, late)
      this.#refuseAll(flight.domain)
    }
    if (this.#flying.size === 0 || this.#gotOnAt >= moment) return
    const others = [...this.#waiting].filter(([domain]) => !this.#flying.has(domain))
    // Who has just come may still be taken at once.
    if (!others.some(([, [first]]) => first!.since < moment)) return
    this.#isStuck = true
    for (const [domain] of others) this.#refuseAll(domain)
  }

  #refuseAll(domain: string): void {
    for (const entry of this.#waiting.get(domain) ?? []) {
      this.#left(entry)
      refuse(entry, late)
    }
    this.#waiting.delete(domain)
  }

  /** A commit of the domain is over; what it had no room for goes first next time. */
  land(domain: string, deferred: ReadonlyArray<Entry>): void {
    this.#flying.delete(domain)
    this.#isStuck = false
    this.#gotOnAt = this.#millis()
    if (this.#closed) {
      for (const entry of deferred) refuse(entry, stopping)
      return
    }
    if (deferred.length > 0) {
      this.#waiting.set(domain, new Set([...deferred, ...(this.#waiting.get(domain) ?? [])]))
      for (const entry of deferred) {
        this.#jobs += 1
        this.#bytes += entry.heldBytes
      }
    }
    if (this.#waiting.has(domain)) this.#wake()
  }

  close(): void {
    this.#closed = true
    for (const waiting of this.#waiting.values()) for (const entry of waiting) refuse(entry, stopping)
    this.#waiting.clear()
  }

  /** Those of a domain that a commit has room for; its first has room in any case. */
  #taken(domain: string, load: Load): ReadonlyArray<Entry> {
    const waiting = this.#waiting.get(domain)
    if (waiting === undefined) return []
    const entries: Array<Entry> = []
    for (const entry of waiting) {
      const events = load.events + entry.job.commands.length
      const bytes = load.bytes + entry.bytes
      if (load.events > 0 && (events > commitEventsMax || bytes > commitBytesMax)) break
      load.events = events
      load.bytes = bytes
      entries.push(entry)
    }
    if (entries.length === 0) return entries
    for (const entry of entries) {
      waiting.delete(entry)
      this.#left(entry)
    }
    // What is left over goes behind the other domains, so that a busy one takes turns with them.
    this.#waiting.delete(domain)
    if (waiting.size > 0) this.#waiting.set(domain, waiting)
    return entries
  }

  #left(entry: Entry): void {
    this.#jobs -= 1
    this.#bytes -= entry.heldBytes
  }

  #wake(): void {
    const [wake] = this.#sleepers
    if (wake === undefined) return
    this.#sleepers.delete(wake)
    wake()
  }
}
