import { Effect, Scheduler } from "effect"
import { sliceEventsMax, sliceEventsMin, streamRestTurns, streamSliceMs, streamTurnMs } from "../limits.ts"
import type { EventStore } from "../ports/EventStore.ts"

/** What the runtime gives: a clock in milliseconds, and a call back in the next turn of the event loop. */
export interface EventLoop {
  readonly now: () => number
  readonly nextTurn: (run: () => void) => void
}

/** Streams that read along have little to do and come first; those that read the log get a slice in every other turn. */
export type Lane = "live" | "catch-up"

/**
 * Shares the thread between all streams of a process, as time slices in round-robin order. One stream runs at a time.
 * Once the slices of a turn of the event loop have used up its budget, the next one is granted only after the loop has
 * looked at its sockets: promises that follow each other never return to it, however many streams they are of.
 */
export class StreamScheduler {
  readonly #loop: EventLoop
  readonly #budgetMs: number
  readonly #live = new Map<TimeSlices, () => void>()
  readonly #catchUp = new Map<TimeSlices, () => void>()
  #running: TimeSlices | undefined
  /** When the budget began to be used; undefined while nothing runs or waits. */
  #turnBeganAt: number | undefined
  #isTurnScheduled = false
  /** Turns in which no slice is granted, until the next in which some are. */
  #restTurns = 0
  #isGranting = false
  /** Whether a stream that reads the log has had a slice in this turn; if none had, one begins the next turn. */
  #hasCaughtUp = true
  #owesCatchUp = false

  constructor(loop: EventLoop, budgetMs = streamTurnMs) {
    this.#loop = loop
    this.#budgetMs = budgetMs
  }

  /** Of the event loop that Effect runs on. */
  static readonly make = (now: () => number): Effect.Effect<StreamScheduler> =>
    Effect.map(Scheduler.Scheduler, (scheduler) => {
      const dispatcher = scheduler.makeDispatcher()
      return new StreamScheduler({ now, nextTurn: (run) => dispatcher.scheduleTask(run, 0) })
    })

  get now(): number {
    return this.#loop.now()
  }

  /** Grants a slice at once, if the turn has time left and nobody waits for it. */
  take(slices: TimeSlices, lane: Lane): boolean {
    const isFree = this.#running === undefined && this.#live.size === 0 && this.#catchUp.size === 0
    if (!isFree || !this.#hasTime) return false
    this.#run(slices, lane)
    return true
  }

  wait(slices: TimeSlices, lane: Lane, grant: () => void): void {
    this.#lane(lane).set(slices, grant)
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

  runs(slices: TimeSlices): boolean {
    return this.#running === slices
  }

  get #hasTime(): boolean {
    return this.#turnBeganAt !== undefined && this.#loop.now() - this.#turnBeganAt < this.#budgetMs
  }

  #run(slices: TimeSlices, lane: Lane): void {
    this.#running = slices
    if (lane === "catch-up") {
      this.#hasCaughtUp = true
      this.#owesCatchUp = false
    }
    slices.granted(this.#loop.now())
  }

  /** Grants one slice after the other: the next when one has ended, which may be while it is granted. */
  #grant(): void {
    if (this.#isGranting) return
    this.#isGranting = true
    try {
      while (this.#running === undefined) {
        const lane = this.#next()
        if (lane === undefined) return
        const waiting = this.#lane(lane)
        const [[slices, grant]] = waiting as unknown as [[TimeSlices, () => void]]
        waiting.delete(slices)
        this.#run(slices, lane)
        grant()
      }
    } finally {
      this.#isGranting = false
    }
  }

  #lane(lane: Lane): Map<TimeSlices, () => void> {
    return lane === "live" ? this.#live : this.#catchUp
  }

  /** The lane that gets the next slice, if this turn has one left. */
  #next(): Lane | undefined {
    if (!this.#hasTime) return undefined
    if (this.#catchUp.size > 0 && (this.#owesCatchUp || this.#live.size === 0)) return "catch-up"
    return this.#live.size > 0 ? "live" : undefined
  }

  #scheduleTurn(): void {
    if (this.#isTurnScheduled) return
    this.#isTurnScheduled = true
    this.#loop.nextTurn(() => this.#turn())
  }

  /** A stream that has not come back by now waits for its reader, or for its store: the others go on. */
  #turn(): void {
    this.#isTurnScheduled = false
    this.#running?.parked()
    this.#running = undefined
    const isUsedUp = this.#turnBeganAt !== undefined && !this.#hasTime
    this.#turnBeganAt = undefined
    if (this.#live.size === 0 && this.#catchUp.size === 0) {
      this.#restTurns = 0
      return
    }
    this.#restTurns = isUsedUp ? streamRestTurns : Math.max(0, this.#restTurns - 1)
    if (this.#restTurns > 0) {
      this.#scheduleTurn()
      return
    }
    this.#turnBeganAt = this.#loop.now()
    this.#owesCatchUp = this.#catchUp.size > 0 && !this.#hasCaughtUp
    this.#hasCaughtUp = false
    this.#scheduleTurn()
    this.#grant()
  }
}

/** The time slices of one stream. A slice lasts until the stream begins another, ends it, or waits for something else. */
export class TimeSlices {
  readonly #scheduler: StreamScheduler
  #events: number = sliceEventsMin
  #grantedAt = 0
  #done = 0

  constructor(scheduler: StreamScheduler) {
    this.#scheduler = scheduler
  }

  /** How many events the next slice should read: as many as take about `streamSliceMs` from the log to the socket. */
  get events(): number {
    return this.#events
  }

  /** Whether the slice goes on: it ends when its stream has waited for something else. */
  get isRunning(): boolean {
    return this.#scheduler.runs(this)
  }

  /** Ends the slice and waits for the next one. */
  begin(lane: Lane): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.end()
      if (this.#scheduler.take(this, lane)) return Effect.void
      return Effect.callback<void>((resume) => {
        this.#scheduler.wait(this, lane, () => resume(Effect.void))
        return Effect.sync(() => this.#scheduler.leave(this))
      })
    })
  }

  /** Calls back in the next slice, unless the stream leaves the line. */
  onGrant(lane: Lane, grant: () => void): void {
    this.#scheduler.wait(this, lane, grant)
  }

  /** Gives up its place in the line, or the slice that it has. */
  leave(): void {
    this.#scheduler.leave(this)
  }

  /** So many events are read in this slice. */
  took(events: number): void {
    this.#done = events
  }

  end(): void {
    if (!this.isRunning) return
    this.parked()
    this.#scheduler.end(this)
  }

  granted(now: number): void {
    this.#grantedAt = now
    this.#done = 0
  }

  /** Measures what the slice took. At most half or double: one that was held up by something else says little. */
  parked(): void {
    if (this.#done === 0) return
    const tookMs = Math.max(0.01, this.#scheduler.now - this.#grantedAt)
    const fitting = Math.floor((this.#done * streamSliceMs) / tookMs)
    if (tookMs > streamSliceMs) this.#events = Math.max(sliceEventsMin, this.#events >> 1, fitting)
    else if (this.#done >= this.#events) this.#events = Math.min(sliceEventsMax, 2 * this.#events, fitting)
    this.#done = 0
  }
}

/** A store whose reads of the log each wait for a slice: to open one stream may take many. */
export const slicedReads = (store: EventStore["Service"], slicesOf: () => TimeSlices): EventStore["Service"] => ({
  ...store,
  read: (domain, after, limit) =>
    Effect.suspend(() => {
      const slices = slicesOf()
      const end = Effect.sync(() => slices.end())
      return Effect.ensuring(Effect.andThen(slices.begin("live"), store.read(domain, after, limit)), end)
    })
})
