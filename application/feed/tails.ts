import { type Clock, Effect, Random } from "effect"
import type { Head } from "../../domain/batch.ts"
import type { Event } from "../../domain/event.ts"
import { literalGlob } from "../../domain/glob.ts"
import type { BackgroundFiber } from "../background.ts"
import type { Backoff } from "../backoff.ts"
import type { LogRewound } from "../failure.ts"
import { logPageEventsMax } from "../limits.ts"
import { monotonicMillis } from "../monotonic.ts"
import type { Announcement } from "../ports/Channel.ts"
import type { EventStore } from "../ports/EventStore.ts"
import type { Telemetry } from "../telemetry.ts"
import { pageFrom } from "./page.ts"
import { type Reader, rewound } from "./reader.ts"
import { Readers } from "./readers.ts"
import { Tail, TailBudget } from "./tail.ts"
import { type Before, standing, type Watched, watch } from "./watched.ts"

/** Starts work in the background. */
type Start = (fiber: BackgroundFiber, work: Effect.Effect<unknown, unknown>) => void

/** Keeps the tails of all streamed domains whole, whatever the channel loses, repeats or reorders. */
export class Tails {
  /** When a log was found last to have gone back in time. */
  rewoundAtMs: number | undefined
  readonly #readers = new Readers()
  readonly #watched = new Map<string, Watched>()
  readonly #budget = new TailBudget()
  readonly #store: EventStore["Service"]
  readonly #telemetry: Telemetry
  readonly #clock: Clock.Clock
  readonly #start: Start

  constructor(store: EventStore["Service"], start: Start, telemetry: Telemetry, clock: Clock.Clock) {
    this.#store = store
    // A store that is away is asked again at the next look at the heads.
    this.#start = start
    this.#telemetry = telemetry
    this.#clock = clock
    telemetry.registerGauge("lag", () => this.#lag())
    telemetry.registerGauge("slowest", () => this.#slowest())
    telemetry.registerGauge("tailBytes", () => this.#budget.bytes)
  }

  get readers(): ReadonlySet<Reader> {
    return this.#readers.all
  }

  join(reader: Reader): void {
    this.#readers.add(reader)
  }

  leave(reader: Reader): void {
    this.#readers.remove(reader)
    for (const [domain, { tail, readers }] of this.#watched) {
      if (!readers.delete(reader) || readers.size > 0) continue
      tail.close()
      this.#watched.delete(domain)
    }
  }

  /** Where all tails stand now, for comparison with heads that are asked for afterwards. */
  positions(): ReadonlyMap<string, Before> {
    return new Map(Array.from(this.#watched, ([domain, { tail }]) => [domain, standing(tail)]))
  }

  /** Takes what the channel brings. */
  announced(announcements: ReadonlyArray<Announcement>): void {
    if (this.readers.size === 0) return
    for (const { incarnation, event, previousId } of announcements) {
      const { domain } = event.entity
      const watched = this.#watch(domain, incarnation, event.position - 1n, previousId)
      if (watched === undefined) continue
      const { tail } = watched
      const isNext = event.position === tail.head + 1n
      const id = tail.idAt(event.position) ?? event.id
      if (incarnation !== tail.incarnation || id !== event.id || (isNext && previousId !== tail.headId)) {
        // From another log, or another event where one was seen: only the store knows which is the log now.
        this.#doubt(watched)
      } else if (isNext) {
        this.#append(watched, event)
      } else if (event.position > tail.head) {
        this.#missing(watched, event.position)
      }
    }
  }

  /**
   * Takes heads from the store. `before` is where the tails stood before it was asked: no log is behind that. Tails that
   * came later may know more than the answer, and what was polled of whatever moved is not enough to replace a tail: the
   * store is asked about that domain then.
   */
  onHeads(heads: ReadonlyArray<Head>, before: ReadonlyMap<string, Before>, source: "asked" | "polled" = "asked"): void {
    for (const head of heads) {
      const watched = this.#watch(head.domain, head.incarnation, head.position, head.eventId)
      if (watched === undefined) continue
      const { tail, readers } = watched
      const stood = before.get(head.domain)
      const isSameTail = stood?.tail === tail
      const isRewound =
        watched.isDisproved ||
        head.incarnation !== tail.incarnation ||
        (isSameTail && head.position < stood.head) ||
        (tail.idAt(head.position) ?? head.eventId) !== head.eventId
      if (isRewound && source === "asked" && isSameTail) {
        this.#replace(watched, head)
      } else if (isRewound) {
        this.#doubt(watched)
      } else if (head.position > tail.head) {
        this.#missing(watched, head.position)
      } else {
        // What was announced and is not in the log was lost, before any tail had it.
        if (source === "asked" && isSameTail && stood.known === tail.known) tail.known = tail.head
        watched.isCounted = false
        for (const reader of readers) reader.recheck(tail)
      }
    }
  }

  /**
   * Tries again what a store that was away has not given. And asks for the head of one domain, each in its turn: a log
   * that lost its end, or is gone, need not count as one that moved.
   */
  retry(): void {
    for (const [domain, watched] of this.#watched) {
      const { head, known } = watched.tail
      if (watched.doubts > 0) this.#check(domain)
      else if (head < known) this.#missing(watched, known)
    }
    const [next] = this.#watched
    if (next === undefined) return
    this.#watched.delete(next[0])
    this.#watched.set(...next)
    this.#check(next[0])
  }

  #watch(domain: string, incarnation: string, head: bigint, headId: string): Watched | undefined {
    const known = this.#watched.get(domain)
    if (known !== undefined) return known
    const readers = this.#readers.covering(domain)
    if (readers.size === 0) return undefined
    return this.#put(new Tail(domain, incarnation, head, headId, this.#budget), readers)
  }

  #put(tail: Tail, readers: Set<Reader>, backoff?: Backoff): Watched {
    const watched = watch(tail, readers, backoff)
    this.#watched.set(tail.domain, watched)
    for (const reader of readers) reader.meet(tail)
    return watched
  }

  /** Makes a reader read a domain, whose tail may have been watched before the reader came. */
  attach(reader: Reader, domain: string): void {
    const watched = this.#watched.get(domain)
    if (watched === undefined) return
    watched.readers.add(reader)
    reader.meet(watched.tail)
  }

  #append({ tail, readers }: Watched, event: Event): void {
    tail.append(event)
    for (const reader of readers) reader.notice(tail)
  }

  /** Events that somebody has told of and no tail has yet, over all domains. */
  #lag(): number {
    let lag = 0n
    for (const { tail } of this.#watched.values()) lag += tail.known - tail.head
    return Number(lag)
  }

  /** How far the stream is behind that is furthest; what no tail has yet is not its fault, and counts as lag. */
  #slowest(): number {
    let most = 0n
    for (const { behind } of this.readers) if (behind > most) most = behind
    return Number(most)
  }

  /** What a stream ends with when the last event that it has seen is not in the log any more. */
  rewound(domain: string): LogRewound {
    this.#count(this.#watched.get(domain))
    return rewound(domain)
  }

  #count(watched: Watched | undefined): void {
    if (watched?.isCounted === true) return
    if (watched !== undefined) watched.isCounted = true
    this.#telemetry.count("rewinds", 1)
    this.rewoundAtMs = monotonicMillis(this.#clock)
  }

  /** A stream found that the tail is not the end of the log: until the store was asked there are no more events. */
  doubt(reader: Reader, tail: Tail): ReadonlyArray<Event> {
    const watched = this.#watched.get(tail.domain)
    if (watched?.tail === tail) {
      reader.pause(tail)
      this.#doubt(watched)
    }
    return []
  }

  /**
   * Another tail takes the place of one that is not the end of the log, empty where there is no log. Its streams look
   * whether what they have seen is still there: one that saw only what is still there goes on.
   */
  #replace(watched: Watched, head: Head | undefined): void {
    const { tail } = watched
    // Streams that came while the domain had no log are not among those of the tail.
    const readers = this.#readers.covering(tail.domain)
    const isSeen = [...readers].some((reader) => reader.seen(tail.domain)?.incarnation === tail.incarnation)
    if (isSeen) this.#count(watched)
    tail.close()
    const { incarnation, position, eventId } = head ?? { incarnation: "", position: 0n, eventId: "" }
    const next = new Tail(tail.domain, incarnation, position, eventId, this.#budget)
    this.#put(next, readers, watched.backoff).isCounted = watched.isCounted
    for (const reader of readers) reader.suspect(next)
  }

  #missing(watched: Watched, position: bigint): void {
    if (position > watched.tail.known) watched.tail.known = position
    if (watched.isFilling || watched.isPausing) return
    watched.isFilling = true
    const done = Effect.sync(() => {
      watched.isFilling = false
    })
    this.#start("feed-fill", Effect.ensuring(this.#fill(watched), done))
  }

  /** Reads what the tail is missing. Each page overlaps by one event, which must be the one that was seen. */
  readonly #fill = Effect.fnUntraced({ self: this }, function* (this: Tails, watched: Watched) {
    const { tail } = watched
    while (tail.head < tail.known && this.#isCurrent(watched)) {
      // As it is before the store is asked: what is announced meanwhile may append.
      const { head } = tail
      this.#telemetry.count("backfills", 1)
      const events = yield* pageFrom(this.#store, tail.domain, head, logPageEventsMax)
      if (!this.#isCurrent(watched)) return
      // The log is read later than it was announced, so it holds all that the tail has, and what it is missing.
      watched.isDisproved ||= events.some(({ position, id }) => (tail.idAt(position) ?? id) !== id)
      if (watched.isDisproved) return this.#doubt(watched)
      for (const event of events) if (event.position === tail.head + 1n) this.#append(watched, event)
      // A log that ends here, or before, is shorter than was told; the head says whether it lost its end.
      if (tail.head === head) return this.#doubt(watched)
      yield* Effect.yieldNow
    }
  })

  #isCurrent(watched: Watched): boolean {
    return this.#watched.get(watched.tail.domain) === watched
  }

  /** Asks the store, after a pause where one doubt follows another: its heads and reads may disagree for long. */
  #doubt(watched: Watched): void {
    watched.doubts += 1
    if (watched.isPausing) return
    const { domain } = watched.tail
    const pauseMs = watched.backoff.next(monotonicMillis(this.#clock))
    if (pauseMs === 0) {
      this.#check(domain)
      return
    }
    watched.isPausing = true
    const check = Effect.sync(() => {
      watched.isPausing = false
      if (this.#isCurrent(watched)) this.#check(domain)
    })
    // Jitter, so that many gateways do not ask one store in step.
    const pause = Effect.flatMap(Random.nextBetween(0.75, 1.25), (jitter) => Effect.sleep(pauseMs * jitter))
    this.#start("feed-check", Effect.andThen(pause, check))
  }

  /** Asks the store for the head of one domain. */
  #check(domain: string): void {
    const watched = this.#watched.get(domain)
    if (watched === undefined || watched.isChecking) return
    watched.isChecking = true
    const { doubts } = watched
    const before = new Map([[domain, standing(watched.tail)]])
    const done = Effect.sync(() => {
      watched.isChecking = false
    })
    const check = Effect.map(this.#store.heads(literalGlob(domain), 1), (heads) => {
      if (!this.#isCurrent(watched)) return
      // What gave reason to doubt meanwhile is not in the answer.
      watched.doubts -= doubts
      if (heads.length > 0) this.onHeads(heads, before)
      else if (watched.tail.incarnation !== "") this.#replace(watched, undefined)
      for (const reader of watched.readers) reader.resume(watched.tail)
    })
    this.#start("feed-check", Effect.ensuring(check, done))
  }
}
