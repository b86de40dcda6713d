import { type Clock, Effect, type Scope } from "effect"
import type { Head } from "../../domain/batch.ts"
import type { Event } from "../../domain/event.ts"
import { literalGlob } from "../../domain/glob.ts"
import type { LogRewound, Unavailable } from "../failure.ts"
import { logPageEventsMax } from "../limits.ts"
import { monotonicMillis } from "../monotonic.ts"
import type { Watcher } from "../observer.ts"
import type { Announcement } from "../ports/Channel.ts"
import type { EventStore } from "../ports/EventStore.ts"
import { type Reader, rewound } from "./reader.ts"
import { Tail, type TailBudget } from "./tail.ts"

/** A domain that some stream covers, and who reads it. */
interface Watched {
  readonly tail: Tail
  readonly readers: Set<Reader>
  filling: boolean
  /** The channel said something that does not go with the tail: until the store was asked, it is not listened to. */
  doubted: boolean
}

/** Keeps the tails of all streamed domains whole, whatever the channel loses, repeats or reorders. */
export class Tails {
  readonly readers = new Set<Reader>()
  /** When a log was found last to have gone back in time. */
  rewoundAtMs: number | undefined
  /** Readers of one domain by name, so that what thousands of them do not cover costs nothing. */
  readonly #narrow = new Map<string, Set<Reader>>()
  readonly #wide = new Set<Reader>()
  readonly #watched = new Map<string, Watched>()
  readonly #budget: TailBudget = { bytes: 0 }
  readonly #store: EventStore["Service"]
  readonly #observer: Watcher
  readonly #clock: Clock.Clock
  readonly #fork: (effect: Effect.Effect<void, Unavailable>) => void

  constructor(store: EventStore["Service"], scope: Scope.Scope, observer: Watcher, clock: Clock.Clock) {
    this.#store = store
    this.#observer = observer
    this.#clock = clock
    observer.gauged("lag", () => this.#lag())
    observer.gauged("slowest", () => this.#slowest())
    observer.gauged("tailBytes", () => this.#budget.bytes)
    // A store that is away is asked again at the next look at the heads.
    this.#fork = (effect) => void Effect.runFork(Effect.forkIn(Effect.ignore(effect), scope))
  }

  join(reader: Reader): void {
    const { literal } = reader.globs.domain
    this.readers.add(reader)
    if (literal === undefined) this.#wide.add(reader)
    else this.#narrow.set(literal, (this.#narrow.get(literal) ?? new Set()).add(reader))
  }

  leave(reader: Reader): void {
    const { literal } = reader.globs.domain
    this.readers.delete(reader)
    this.#wide.delete(reader)
    if (literal !== undefined) {
      const others = this.#narrow.get(literal)
      others?.delete(reader)
      if (others?.size === 0) this.#narrow.delete(literal)
    }
    for (const [domain, { tail, readers }] of this.#watched) {
      if (!readers.delete(reader) || readers.size > 0) continue
      tail.close()
      this.#watched.delete(domain)
    }
  }

  /** The positions reached now, for comparison with heads that are asked for afterwards. */
  positions(): ReadonlyMap<string, bigint> {
    return new Map(Array.from(this.#watched, ([domain, { tail }]) => [domain, tail.head]))
  }

  /** Takes what the channel brings. */
  announced(announcements: ReadonlyArray<Announcement>): void {
    if (this.readers.size === 0) return
    for (const { incarnation, event } of announcements) {
      const { domain } = event.entity
      const watched = this.#watch(domain, incarnation, event.position - 1n, "")
      if (watched === undefined) continue
      const { tail } = watched
      const seen = event.position <= tail.head
      if (watched.doubted) continue
      if (incarnation !== tail.incarnation || (seen && (tail.idAt(event.position) ?? event.id) !== event.id)) {
        // From another log, or another event where one was seen: only the store knows which is the log now.
        this.#doubt(watched)
      } else if (event.position === tail.head + 1n) {
        this.#append(watched, event)
      } else if (!seen) {
        this.#missing(watched, event.position)
      }
    }
  }

  /**
   * Takes heads that the store tells. `before` are the positions from before it was asked: no log is behind them. A
   * glance at whatever moved is not enough to end streams; the store is asked about that domain then.
   */
  told(heads: ReadonlyArray<Head>, before: ReadonlyMap<string, bigint>, how: "asked" | "glanced" = "asked"): void {
    for (const head of heads) {
      const watched = this.#watch(head.domain, head.incarnation, head.position, head.eventId)
      if (watched === undefined) continue
      const { tail, readers } = watched
      const isRewound =
        head.incarnation !== tail.incarnation ||
        head.position < (before.get(head.domain) ?? 0n) ||
        (head.position === tail.head && tail.headId !== "" && head.eventId !== tail.headId)
      if (isRewound && how === "glanced") this.#doubt(watched)
      else if (isRewound) this.#rewind(watched)
      else if (head.position > tail.head) this.#missing(watched, head.position)
      else for (const reader of readers) reader.notice(tail)
    }
  }

  /**
   * Tries again what a store that was away has not given. And asks for the head of one domain, each in its turn: a log
   * that lost its end, or is gone, need not count as one that moved.
   */
  retry(): void {
    for (const [domain, watched] of this.#watched) {
      const { head, known } = watched.tail
      if (watched.doubted) this.#lookAgain(domain)
      else if (head < known) this.#missing(watched, known)
    }
    const [next] = this.#watched
    if (next === undefined) return
    this.#watched.delete(next[0])
    this.#watched.set(...next)
    this.#lookAgain(next[0])
  }

  #watch(domain: string, incarnation: string, head: bigint, headId: string): Watched | undefined {
    const known = this.#watched.get(domain)
    if (known !== undefined) return known
    const readers = new Set(this.#narrow.get(domain))
    for (const reader of this.#wide) if (reader.covers(domain)) readers.add(reader)
    if (readers.size === 0) return undefined
    const watched = {
      tail: new Tail(domain, incarnation, head, headId, this.#budget),
      readers,
      filling: false,
      doubted: false
    }
    this.#watched.set(domain, watched)
    return watched
  }

  /** Makes a reader read a domain, whose tail may have been watched before the reader came. */
  attach(reader: Reader, domain: string): void {
    const watched = this.#watched.get(domain)
    if (watched === undefined) return
    watched.readers.add(reader)
    reader.notice(watched.tail)
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

  /** Takes note of a log that is not the one of its tail any more, and says so as streams do. */
  wentBack(tail: Tail): LogRewound {
    this.#observer.counted("rewinds", 1)
    this.rewoundAtMs = monotonicMillis(this.#clock)
    return rewound(tail.domain)
  }

  #rewind({ tail, readers }: Watched): void {
    const reason = this.wentBack(tail)
    for (const reader of readers) reader.end(reason)
    tail.close()
    this.#watched.delete(tail.domain)
  }

  #missing(watched: Watched, position: bigint): void {
    if (position > watched.tail.known) watched.tail.known = position
    if (watched.filling) return
    watched.filling = true
    const done = Effect.sync(() => {
      watched.filling = false
    })
    this.#fork(Effect.ensuring(this.#fill(watched), done))
  }

  /** Reads what the tail is missing. Each page overlaps by one event, which must be the one that was seen. */
  readonly #fill = Effect.fnUntraced({ self: this }, function* (this: Tails, watched: Watched) {
    const { tail } = watched
    while (tail.head < tail.known && this.#watched.get(tail.domain) === watched) {
      const overlap = tail.headId === "" ? 0n : 1n
      this.#observer.counted("backfills", 1)
      const { events } = yield* this.#store.read(tail.domain, tail.head - overlap, logPageEventsMax)
      const isSame = overlap === 0n || events[0]?.id === tail.headId
      if (!isSame || events.length <= Number(overlap)) return this.#rewind(watched)
      for (const event of events) if (event.position === tail.head + 1n) this.#append(watched, event)
      yield* Effect.yieldNow
    }
  })

  #doubt(watched: Watched): void {
    watched.doubted = true
    this.#lookAgain(watched.tail.domain)
  }

  #lookAgain(domain: string): void {
    const watched = this.#watched.get(domain)
    const before = this.positions()
    const look = Effect.map(this.#store.heads(literalGlob(domain), 1), (heads) => {
      if (watched === undefined || this.#watched.get(domain) !== watched) return
      watched.doubted = false
      if (heads.length > 0) this.told(heads, before)
      else this.#rewind(watched)
    })
    this.#fork(look)
  }
}
