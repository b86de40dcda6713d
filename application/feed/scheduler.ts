import { Effect, Scheduler } from "effect"
import { sliceEventsMax, sliceEventsMin, streamRestTurns, streamSliceMs, streamTurnMs } from "../limits.ts"
import type { EventStore } from "../ports/EventStore.ts"

/** The runtime: a clock in milliseconds, and a callback in the next turn of the event loop. */
export interface EventLoop {
  readonly now: () => number
  readonly nextTurn: (run: () => void) => void
}

/** Live streams have little work and come first; streams that read the log get a slice at least in every other turn. */
export type Lane = "live" | "catch-up"

/**
 * Shares the thread between all streams of a process, as time slices in round-robin order. One stream runs at a time.
 * When the slices of one turn of the event loop have used up its budget, the scheduler waits for the next turn, so that
 * the loop can handle sockets. A chain of promises alone would never return to the loop.
 */
export class StreamScheduler {
  readonly #loop: EventLoop
  readonly #budgetMs: number
  readonly #live = new Map<TimeSlices, () => void>()
  readonly #catchUp = new Map<TimeSlices, () => void>()
  #running: TimeSlices | undefined
  /** When the current turn started; undefined while no stream runs or waits. */
  #turnStartedAt: number | undefined
  #isTurnScheduled = false
  /** The number of turns left without slices. */
  #restTurns = 0
  #isGranting = false
  /** Whether a stream that reads the log has had a slice in this turn. If none had, one gets the first slice of the next. */
  #hasServedCatchUp = true
  #isCatchUpDue = false

  constructor(loop: EventLoop, budgetMs = streamTurnMs) {
    this.#loop = loop
    this.#budgetMs = budgetMs
  }

  /** A scheduler on the event loop that Effect runs on. */
  static readonly make = (now: () => number): Effect.Effect<StreamScheduler> =>
    Effect.map(Scheduler.Scheduler, (scheduler) => {
      const dispatcher = scheduler.makeDispatcher()
      return new StreamScheduler({ now, nextTurn: (run) => dispatcher.scheduleTask(run, 0) })
    })

  get now(): number {
    return this.#loop.now()
  }

  /** Grants a slice at once if the turn has time left and no stream waits. */
  take(slices: TimeSlices, lane: Lane): boolean {
    const isFree = this.#running === undefined && this.#live.size === 0 && this.#catchUp.size === 0
    if (!isFree || !this.#hasTime) return false
    this.#run(slices, lane)
    return true
  }

  enqueue(slices: TimeSlices, lane: Lane, grant: () => void): void {
    this.#queue(lane).set(slices, grant)
    this.#scheduleTurn()
    this.#grant()
  }

  leave(slices: TimeSlices): void {
    this.#live.delete(slices)
    this.#catchUp.delete(slices)
    this.end(slices)
  }

  end(slices: TimeSlices): void {
    if (this.#running !== slices) return
    this.#running = undefined
    this.#grant()
  }

  isRunning(slices: TimeSlices): boolean {
    return this.#running === slices
  }

  get #hasTime(): boolean {
    return this.#turnStartedAt !== undefined && this.#loop.now() - this.#turnStartedAt < this.#budgetMs
  }

  #run(slices: TimeSlices, lane: Lane): void {
    this.#running = slices
    if (lane === "catch-up") {
      this.#hasServedCatchUp = true
      this.#isCatchUpDue = false
    }
    slices.start(this.#loop.now())
  }

  /** Grants slices one after another. A slice may end within `grant`. */
  #grant(): void {
    if (this.#isGranting) return
    this.#isGranting = true
    try {
      while (this.#running === undefined) {
        const lane = this.#next()
        if (lane === undefined) return
        const waiting = this.#queue(lane)
        const [[slices, grant]] = waiting as unknown as [[TimeSlices, () => void]]
        waiting.delete(slices)
        this.#run(slices, lane)
        grant()
      }
    } finally {
      this.#isGranting = false
    }
  }

  #queue(lane: Lane): Map<TimeSlices, () => void> {
    return lane === "live" ? this.#live : this.#catchUp
  }

  /** The lane of the next slice; undefined if the turn has no time left or no stream waits. */
  #next(): Lane | undefined {
    if (!this.#hasTime) return undefined
    if (this.#catchUp.size > 0 && (this.#isCatchUpDue || this.#live.size === 0)) return "catch-up"
    return this.#live.size > 0 ? "live" : undefined
  }

  #scheduleTurn(): void {
    if (this.#isTurnScheduled) return
    this.#isTurnScheduled = true
    this.#loop.nextTurn(() => this.#turn())
  }

  /** Starts a turn. A slice that is still open ends: its stream waits for its client or for the store. */
  #turn(): void {
    this.#isTurnScheduled = false
    this.#running?.measure()
    this.#running = undefined
    const isUsedUp = this.#turnStartedAt !== undefined && !this.#hasTime
    this.#turnStartedAt = undefined
    if (this.#live.size === 0 && this.#catchUp.size === 0) {
      this.#restTurns = 0
      return
    }
    this.#restTurns = isUsedUp ? streamRestTurns : Math.max(0, this.#restTurns - 1)
    if (this.#restTurns > 0) {
      this.#scheduleTurn()
      return
    }
    this.#turnStartedAt = this.#loop.now()
    this.#isCatchUpDue = this.#catchUp.size > 0 && !this.#hasServedCatchUp
    this.#hasServedCatchUp = false
    this.#scheduleTurn()
    this.#grant()
  }
}

/** The time slices of one stream. A slice ends when the stream ends it, begins another, or waits across a turn. */
export class TimeSlices {
  readonly #scheduler: StreamScheduler
  #events: number = sliceEventsMin
  #grantedAt = 0
  #eventsRead = 0

  constructor(scheduler: StreamScheduler) {
    this.#scheduler = scheduler
  }

  /** How many events the next slice should read, so that it takes about `streamSliceMs` from the log to the socket. */
  get events(): number {
    return this.#events
  }

  /** Whether the slice is still open. */
  get isRunning(): boolean {
    return this.#scheduler.isRunning(this)
  }

  /** Ends the slice and waits for the next one. */
  begin(lane: Lane): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.end()
      if (this.#scheduler.take(this, lane)) return Effect.void
      return Effect.callback<void>((resume) => {
        this.#scheduler.enqueue(this, lane, () => resume(Effect.void))
        return Effect.sync(() => this.#scheduler.leave(this))
      })
    })
  }

  /** Calls `grant` in the next slice, unless the stream leaves the queue before. */
  onGrant(lane: Lane, grant: () => void): void {
    this.#scheduler.enqueue(this, lane, grant)
  }

  /** Leaves the queue, and ends an open slice. */
  leave(): void {
    this.#scheduler.leave(this)
  }

  /** Records how many events this slice has read. */
  recordEvents(events: number): void {
    this.#eventsRead = events
  }

  end(): void {
    if (!this.isRunning) return
    this.measure()
    this.#scheduler.end(this)
  }

  start(now: number): void {
    this.#grantedAt = now
    this.#eventsRead = 0
  }

  /** Adjusts `events` to the time of the slice, by a factor of two at most: other work may have delayed one slice. */
  measure(): void {
    if (this.#eventsRead === 0) return
    const tookMs = Math.max(0.01, this.#scheduler.now - this.#grantedAt)
    const fitting = Math.floor((this.#eventsRead * streamSliceMs) / tookMs)
    if (tookMs > streamSliceMs) this.#events = Math.max(sliceEventsMin, this.#events >> 1, fitting)
    else if (this.#eventsRead >= this.#events) this.#events = Math.min(sliceEventsMax, 2 * this.#events, fitting)
    this.#eventsRead = 0
  }
}

/** A store whose reads of the log each wait for a slice: opening a stream may take many reads. */
export const slicedReads = (store: EventStore["Service"], slicesOf: () => TimeSlices): EventStore["Service"] => ({
  ...store,
  read: (domain, after, limit) =>
    Effect.suspend(() => {
      const slices = slicesOf()
      const end = Effect.sync(() => slices.end())
      return Effect.ensuring(Effect.andThen(slices.begin("live"), store.read(domain, after, limit)), end)
    })
})
