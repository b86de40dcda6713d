import {
  cursorText,
  logBytes,
  type Mark,
  placeBytes,
  type Selection,
  selectionBytes,
  shortId
} from "../../domain/cursor.ts"
import type { Event } from "../../domain/event.ts"
import { type Glob, matches } from "../../domain/glob.ts"
import type { TooLarge } from "../../domain/rejection.ts"
import { type Draining, LogRewound, type Unavailable } from "../failure.ts"
import { cursorBytesMax } from "../limits.ts"
import type { Tail } from "./tail.ts"

/** What a stream hands on: an event, or only word of where it stands. */
export interface Delivery {
  readonly event?: Event
  /** Opaque; a stream opened with it goes on right behind this delivery. */
  readonly cursor: string
  /** Whether other streams get the same object, so that what is made of it is worth keeping for them. */
  readonly isShared?: boolean
}

/** The globs of a stream, ready to match. */
export interface Globs {
  readonly domain: Glob
  readonly type: Glob
  readonly key: Glob
}

/** Why a stream ends before its caller leaves. */
export type StreamEnd = LogRewound | Unavailable | Draining | TooLarge

/** Where a reader stands in one domain. */
interface Place {
  readonly mark: Mark
  /** Of the mark, in cursors: what stays, and all of it. */
  readonly log: string
  readonly bytes: string
}

/**
 * One stream's place in every domain that it covers. It holds no events: it takes them from the tails, or from the log
 * where a tail has let them go, so that a slow stream holds up nobody and loses nothing.
 */
export class Reader {
  readonly globs: Globs
  readonly #selection: string
  /** Events before this time are not for the stream, be they committed after it was opened. */
  readonly #since: bigint
  readonly #places = new Map<string, Place>()
  readonly #behind = new Map<string, Tail>()
  /** Domains in which the stream waits until the store was asked for the head, and their tails. */
  readonly #paused = new Map<string, Tail>()
  /** Domains whose log may be another by now: the stream looks into the log before it goes on. */
  readonly #unsure = new Set<string>()
  #end: StreamEnd | undefined
  #wake: (() => void) | undefined

  /** `cursorSince` is for cursors: a stream that is opened with one has to know of the time too while it is ahead. */
  constructor(selection: Selection, globs: Globs, since = 0n, cursorSince?: bigint) {
    this.globs = globs
    this.#since = since
    this.#selection = selectionBytes(selection, cursorSince)
  }

  covers(domain: string): boolean {
    return matches(this.globs.domain, domain)
  }

  /** What the stream has seen last of a domain; nothing of one that it reads from the first event. */
  seen(domain: string): Mark | undefined {
    return this.#places.get(domain)?.mark
  }

  place(domain: string, mark: Mark): void {
    const here = this.#places.get(domain)
    const log = here?.mark.incarnation === mark.incarnation ? here.log : logBytes(domain, mark.incarnation)
    this.#places.set(domain, { mark, log, bytes: log + placeBytes(mark) })
  }

  /** The domain's tail has moved. */
  notice(tail: Tail): void {
    if (tail.isClosed || this.#paused.has(tail.domain)) return
    if (this.#positionIn(tail) >= tail.head && !this.#unsure.has(tail.domain)) {
      this.#behind.delete(tail.domain)
    } else {
      this.#behind.set(tail.domain, tail)
      this.#wakeUp()
    }
  }

  /** The domain has a tail that the stream has not read from. */
  meet(tail: Tail): void {
    const seen = this.seen(tail.domain)
    if (seen !== undefined && !tail.agreesWith(seen)) this.#unsure.add(tail.domain)
    this.resume(tail)
  }

  /** The tail took the place of another, which was not the end of the log. */
  suspect(tail: Tail): void {
    if (this.seen(tail.domain) !== undefined) this.#unsure.add(tail.domain)
    this.notice(tail)
  }

  /** The store says that the log ends where the tail does: a stream that is ahead of it may have seen what is gone. */
  recheck(tail: Tail): void {
    if (this.#positionIn(tail) > tail.head) this.#unsure.add(tail.domain)
    this.notice(tail)
  }

  /** The log does not hold what the tail says: it is not read again until the store was asked, and others are meanwhile. */
  pause(tail: Tail): void {
    this.#behind.delete(tail.domain)
    this.#paused.set(tail.domain, tail)
  }

  /** The store was asked. */
  resume(tail: Tail): void {
    this.#paused.delete(tail.domain)
    this.notice(tail)
  }

  /** Whether the stream has to look into the log. Asked once: a reason that comes while it looks counts anew. */
  takeUnsure(domain: string): boolean {
    return this.#unsure.delete(domain)
  }

  end(reason: StreamEnd): void {
    this.#end ??= reason
    this.#wakeUp()
  }

  get ended(): StreamEnd | undefined {
    return this.#end
  }

  /** Events that it has yet to step over, over all domains, whether it wants them or not. */
  get behind(): bigint {
    let events = 0n
    for (const tail of [...this.#behind.values(), ...this.#paused.values()]) {
      const lag = tail.head - this.#positionIn(tail)
      if (lag > 0n) events += lag
    }
    return events
  }

  /** A domain in which the stream is behind, until `advance` has caught up. They take turns. */
  next(): Tail | undefined {
    const [tail] = this.#behind.values()
    if (tail === undefined) return undefined
    this.#behind.delete(tail.domain)
    this.#behind.set(tail.domain, tail)
    return tail
  }

  /** Calls back once, when there is something to do; at once if there is now. */
  whenBusy(wake: () => void): () => void {
    this.#wake = wake
    if (this.#end !== undefined || this.#behind.size > 0) this.#wakeUp()
    return () => {
      this.#wake = undefined
    }
  }

  #wakeUp(): void {
    const wake = this.#wake
    // A stream that is woken gets in line for a slice, and one that has not come for more must not take any.
    this.#wake = undefined
    wake?.()
  }

  /**
   * Steps over consecutive events of a domain and returns those that the stream wants. The place moves over the rest as
   * well, so that a cursor never leads back to what nobody asked for.
   */
  advance(tail: Tail, events: ReadonlyArray<Event>, isShared: boolean): ReadonlyArray<Delivery> {
    const deliveries: Array<Delivery> = []
    let last: Event | undefined
    for (const event of events) {
      last = event
      if (this.#since > 0n && event.time < this.#since) continue
      if (!matches(this.globs.type, event.entity.type) || !matches(this.globs.key, event.entity.key)) continue
      this.#moveTo(tail, event)
      const cursor = this.cursor
      if (this.#end !== undefined) break
      deliveries.push({ event, cursor, isShared })
    }
    if (last !== undefined && this.#end === undefined) this.#moveTo(tail, last)
    this.notice(tail)
    return deliveries
  }

  get cursor(): string {
    let all = this.#selection
    for (const { bytes } of this.#places.values()) all += bytes
    const cursor = cursorText(all)
    if (cursor.length > cursorBytesMax) {
      this.end(tooWide)
    }
    return cursor
  }

  #positionIn({ domain }: Tail): bigint {
    return this.#places.get(domain)?.mark.position ?? 0n
  }

  /** Events come from the log that the stream has seen, whatever has become of the tail meanwhile. */
  #moveTo(tail: Tail, { position, id }: Event): void {
    const incarnation = this.seen(tail.domain)?.incarnation ?? tail.incarnation
    this.place(tail.domain, { incarnation, position, eventId: shortId(id) })
  }
}

export const tooWide: TooLarge = {
  _tag: "TooLarge",
  message: `the stream covers more domains than a cursor of ${cursorBytesMax} bytes can hold; narrow the domain`
}

export const rewound = (domain: string): LogRewound =>
  new LogRewound({ message: `the log of domain ${domain} was rewound; read it again from a place that still exists` })
