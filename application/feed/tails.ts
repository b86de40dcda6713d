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
import { logRewound, type Reader } from "./reader.ts"
import { Readers } from "./readers.ts"
import { newStreamedDomain, type StreamedDomain, stateOf, type TailState } from "./streamed-domain.ts"
import { Tail, TailBudget } from "./tail.ts"

/** Starts work in the background. */
type Start = (fiber: BackgroundFiber, work: Effect.Effect<unknown, unknown>) => void

/** Keeps the tails of all streamed domains complete, although the channel may lose, repeat and reorder announcements. */
export class Tails {
  /** Monotonic time at which a rewind was found last. */
  rewoundAtMs: number | undefined
  readonly #readers = new Readers()
  readonly #domains = new Map<string, StreamedDomain>()
  readonly #budget = new TailBudget()
  readonly #store: EventStore["Service"]
  readonly #telemetry: Telemetry
  readonly #clock: Clock.Clock
  readonly #start: Start

  constructor(store: EventStore["Service"], start: Start, telemetry: Telemetry, clock: Clock.Clock) {
    this.#store = store
    this.#start = start
    this.#telemetry = telemetry
    this.#clock = clock
    telemetry.registerGauge("lag", () => this.#lag())
    telemetry.registerGauge("slowest", () => this.#slowestLag())
    telemetry.registerGauge("tailBytes", () => this.#budget.bytes)
  }

  get readers(): ReadonlySet<Reader> {
    return this.#readers.all
  }

  addReader(reader: Reader): void {
    this.#readers.add(reader)
  }

  removeReader(reader: Reader): void {
    this.#readers.remove(reader)
    for (const [domain, { tail, readers }] of this.#domains) {
      if (!readers.delete(reader) || readers.size > 0) continue
      tail.close()
      this.#domains.delete(domain)
    }
  }

  /** The state of all tails, to compare it with heads that are queried afterwards. */
  tailStates(): ReadonlyMap<string, TailState> {
    return new Map(Array.from(this.#domains, ([domain, { tail }]) => [domain, stateOf(tail)]))
  }

  /** Handles announcements from the channel. */
  onAnnouncements(announcements: ReadonlyArray<Announcement>): void {
    if (this.readers.size === 0) return
    for (const { incarnation, event, previousId } of announcements) {
      const { domain } = event.entity
      const streamed = this.#streamedDomain(domain, incarnation, event.position - 1n, previousId)
      if (streamed === undefined) continue
      const { tail } = streamed
      const isNext = event.position === tail.head + 1n
      const id = tail.idAt(event.position) ?? event.id
      if (incarnation !== tail.incarnation || id !== event.id || (isNext && previousId !== tail.headId)) {
        // The event is from another log, or contradicts one that was seen: only the store knows which log is current.
        this.#suspect(streamed)
      } else if (isNext) {
        this.#append(streamed, event)
      } else if (event.position > tail.head) {
        this.#fetchMissing(streamed, event.position)
      }
    }
  }

  /**
   * Handles heads from the store. `before` holds the states of the tails before the query: an intact log is not shorter
   * than they were. A tail that opened later may know more than the answer. Polled heads are not enough to replace a
   * tail; they cause a query for that domain.
   */
  onHeads(
    heads: ReadonlyArray<Head>,
    before: ReadonlyMap<string, TailState>,
    source: "queried" | "polled" = "queried"
  ): void {
    for (const head of heads) {
      const streamed = this.#streamedDomain(head.domain, head.incarnation, head.position, head.eventId)
      if (streamed === undefined) continue
      const { tail, readers } = streamed
      const earlier = before.get(head.domain)
      const isSameTail = earlier?.tail === tail
      const isRewound =
        streamed.isContradicted ||
        head.incarnation !== tail.incarnation ||
        (isSameTail && head.position < earlier.head) ||
        (tail.idAt(head.position) ?? head.eventId) !== head.eventId
      if (isRewound && source === "queried" && isSameTail) {
        this.#replace(streamed, head)
      } else if (isRewound) {
        this.#suspect(streamed)
      } else if (head.position > tail.head) {
        this.#fetchMissing(streamed, head.position)
      } else {
        // The log lost the announced events before any tail had them.
        if (source === "queried" && isSameTail && earlier.knownHead === tail.knownHead) tail.knownHead = tail.head
        streamed.isRewindCounted = false
        for (const reader of readers) reader.onHeadConfirmed(tail)
      }
    }
  }

  /**
   * Repeats queries that failed while the store was unavailable. Also queries the head of one domain, in turn:
   * `movedSince` need not report a log that lost its end or was deleted.
   */
  retry(): void {
    for (const [domain, streamed] of this.#domains) {
      const { head, knownHead } = streamed.tail
      if (streamed.suspicions > 0) this.#checkHead(domain)
      else if (head < knownHead) this.#fetchMissing(streamed, knownHead)
    }
    const [next] = this.#domains
    if (next === undefined) return
    this.#domains.delete(next[0])
    this.#domains.set(...next)
    this.#checkHead(next[0])
  }

  #streamedDomain(domain: string, incarnation: string, head: bigint, headId: string): StreamedDomain | undefined {
    const known = this.#domains.get(domain)
    if (known !== undefined) return known
    const readers = this.#readers.covering(domain)
    if (readers.size === 0) return undefined
    return this.#addTail(new Tail(domain, incarnation, head, headId, this.#budget), readers)
  }

  #addTail(tail: Tail, readers: Set<Reader>, backoff?: Backoff): StreamedDomain {
    const streamed = newStreamedDomain(tail, readers, backoff)
    this.#domains.set(tail.domain, streamed)
    for (const reader of readers) reader.onNewTail(tail)
    return streamed
  }

  /** Makes a reader read a domain whose tail may be older than the reader. */
  attach(reader: Reader, domain: string): void {
    const streamed = this.#domains.get(domain)
    if (streamed === undefined) return
    streamed.readers.add(reader)
    reader.onNewTail(streamed.tail)
  }

  #append({ tail, readers }: StreamedDomain, event: Event): void {
    tail.append(event)
    for (const reader of readers) reader.onTailMoved(tail)
  }

  /** The number of events that are known to be in the logs and missing in the tails. */
  #lag(): number {
    let lag = 0n
    for (const { tail } of this.#domains.values()) lag += tail.knownHead - tail.head
    return Number(lag)
  }

  /** The lag of the slowest stream. It excludes events that no tail has yet, which count as `#lag`. */
  #slowestLag(): number {
    let most = 0n
    for (const { lag } of this.readers) if (lag > most) most = lag
    return Number(most)
  }

  /** Counts a rewind, and returns the error with which a stream ends when its last event is no longer in the log. */
  recordRewind(domain: string): LogRewound {
    this.#countRewind(this.#domains.get(domain))
    return logRewound(domain)
  }

  #countRewind(streamed: StreamedDomain | undefined): void {
    if (streamed?.isRewindCounted === true) return
    if (streamed !== undefined) streamed.isRewindCounted = true
    this.#telemetry.count("rewinds", 1)
    this.rewoundAtMs = monotonicMillis(this.#clock)
  }

  /** A stream found that the tail contradicts the log. It gets no events of the domain until the store has answered. */
  suspect(reader: Reader, tail: Tail): ReadonlyArray<Event> {
    const streamed = this.#domains.get(tail.domain)
    if (streamed?.tail === tail) {
      reader.pause(tail)
      this.#suspect(streamed)
    }
    return []
  }

  /**
   * Replaces a tail that does not match the log; without a log the new tail is empty. The streams check whether the last
   * event that they have seen is still in the log, and continue if it is.
   */
  #replace(streamed: StreamedDomain, head: Head | undefined): void {
    const { tail } = streamed
    // Streams that were opened while the domain had no log are not yet among the readers of the tail.
    const readers = this.#readers.covering(tail.domain)
    const isSeen = [...readers].some((reader) => reader.lastSeen(tail.domain)?.incarnation === tail.incarnation)
    if (isSeen) this.#countRewind(streamed)
    tail.close()
    const { incarnation, position, eventId } = head ?? { incarnation: "", position: 0n, eventId: "" }
    const next = new Tail(tail.domain, incarnation, position, eventId, this.#budget)
    this.#addTail(next, readers, streamed.backoff).isRewindCounted = streamed.isRewindCounted
    for (const reader of readers) reader.onTailReplaced(next)
  }

  #fetchMissing(streamed: StreamedDomain, position: bigint): void {
    if (position > streamed.tail.knownHead) streamed.tail.knownHead = position
    if (streamed.isBackfilling || streamed.isPausing) return
    streamed.isBackfilling = true
    const done = Effect.sync(() => {
      streamed.isBackfilling = false
    })
    this.#start("feed-fill", Effect.ensuring(this.#backfill(streamed), done))
  }

  /** Reads the events that the tail is missing. Each page overlaps by one event, which must be the last one of the tail. */
  readonly #backfill = Effect.fnUntraced({ self: this }, function* (this: Tails, streamed: StreamedDomain) {
    const { tail } = streamed
    while (tail.head < tail.knownHead && this.#isCurrent(streamed)) {
      // The head before the read: announcements may append meanwhile.
      const { head } = tail
      this.#telemetry.count("backfills", 1)
      const events = yield* pageFrom(this.#store, tail.domain, head, logPageEventsMax)
      if (!this.#isCurrent(streamed)) return
      // The read follows the announcement, so the page must contain the events of the tail as well as the missing ones.
      streamed.isContradicted ||= events.some(({ position, id }) => (tail.idAt(position) ?? id) !== id)
      if (streamed.isContradicted) return this.#suspect(streamed)
      for (const event of events) if (event.position === tail.head + 1n) this.#append(streamed, event)
      // The log is shorter than reported. A query for the head shows whether it lost its end.
      if (tail.head === head) return this.#suspect(streamed)
      yield* Effect.yieldNow
    }
  })

  #isCurrent(streamed: StreamedDomain): boolean {
    return this.#domains.get(streamed.tail.domain) === streamed
  }

  /** Queries the head, after a backoff when contradictions repeat: the heads and reads of a store may disagree for long. */
  #suspect(streamed: StreamedDomain): void {
    streamed.suspicions += 1
    if (streamed.isPausing) return
    const { domain } = streamed.tail
    const pauseMs = streamed.backoff.next(monotonicMillis(this.#clock))
    if (pauseMs === 0) {
      this.#checkHead(domain)
      return
    }
    streamed.isPausing = true
    const check = Effect.sync(() => {
      streamed.isPausing = false
      if (this.#isCurrent(streamed)) this.#checkHead(domain)
    })
    // Jitter keeps many gateways from querying one store at the same moment.
    const pause = Effect.flatMap(Random.nextBetween(0.75, 1.25), (jitter) => Effect.sleep(pauseMs * jitter))
    this.#start("feed-check", Effect.andThen(pause, check))
  }

  /** Queries the head of one domain. */
  #checkHead(domain: string): void {
    const streamed = this.#domains.get(domain)
    if (streamed === undefined || streamed.isQuerying) return
    streamed.isQuerying = true
    const { suspicions } = streamed
    const before = new Map([[domain, stateOf(streamed.tail)]])
    const done = Effect.sync(() => {
      streamed.isQuerying = false
    })
    const check = Effect.map(this.#store.heads(literalGlob(domain), 1), (heads) => {
      if (!this.#isCurrent(streamed)) return
      // The answer does not cover contradictions that were seen after the query began.
      streamed.suspicions -= suspicions
      if (heads.length > 0) this.onHeads(heads, before)
      else if (streamed.tail.incarnation !== "") this.#replace(streamed, undefined)
      for (const reader of streamed.readers) reader.resume(streamed.tail)
    })
    this.#start("feed-check", Effect.ensuring(check, done))
  }
}
