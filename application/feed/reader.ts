import {
  cursorText,
  logBytes,
  positionBytes,
  type Selection,
  type StreamPosition,
  selectionBytes,
  shortId
} from "../../domain/cursor.ts"
import type { Event } from "../../domain/event.ts"
import { type Glob, matches } from "../../domain/glob.ts"
import type { TooLarge } from "../../domain/rejection.ts"
import { type Draining, LogRewound, type Unavailable } from "../failure.ts"
import { cursorBytesMax } from "../limits.ts"
import type { Tail } from "./tail.ts"

/** One item of a stream: an event, or a heartbeat with only a cursor. */
export interface StreamItem {
  readonly event?: Event
  /** Opaque. A stream opened with it continues after this item. */
  readonly cursor: string
  /** Whether other streams deliver the same event object, so that its encoding is worth caching. */
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

/** A reader's position in one domain, with its encoding in cursors. */
interface EncodedPosition {
  readonly at: StreamPosition
  /** The part of the encoding that stays the same while the reader advances. */
  readonly log: string
  /** The whole encoding. */
  readonly bytes: string
}

/**
 * The positions of one stream in all domains that it covers. It buffers no events: it reads them from the tails, or from
 * the log where a tail has dropped them. So a slow stream delays no other stream and loses nothing.
 */
export class Reader {
  readonly globs: Globs
  readonly #selection: string
  /** The stream skips events before this time, even those that are committed after it was opened. */
  readonly #since: bigint
  readonly #positions = new Map<string, EncodedPosition>()
  readonly #lagging = new Map<string, Tail>()
  /** Tails of domains in which the stream waits until the store has answered a query for the head. */
  readonly #paused = new Map<string, Tail>()
  /** Domains whose log may have been replaced: the stream reads its last event again before it continues. */
  readonly #unverified = new Set<string>()
  #end: StreamEnd | undefined
  #wake: (() => void) | undefined

  /** `cursorSince` becomes part of every cursor. It is set while `since` lies in the future. */
  constructor(selection: Selection, globs: Globs, since = 0n, cursorSince?: bigint) {
    this.globs = globs
    this.#since = since
    this.#selection = selectionBytes(selection, cursorSince)
  }

  covers(domain: string): boolean {
    return matches(this.globs.domain, domain)
  }

  /** The position of the last event that the stream has seen in a domain; undefined before the first event. */
  lastSeen(domain: string): StreamPosition | undefined {
    return this.#positions.get(domain)?.at
  }

  moveTo(domain: string, at: StreamPosition): void {
    const last = this.#positions.get(domain)
    const log = last?.at.incarnation === at.incarnation ? last.log : logBytes(domain, at.incarnation)
    this.#positions.set(domain, { at, log, bytes: log + positionBytes(at) })
  }

  /** The head of a tail has changed, or the reader's reasons to read the log have. */
  onTailMoved(tail: Tail): void {
    if (tail.isClosed || this.#paused.has(tail.domain)) return
    if (this.#positionIn(tail) >= tail.head && !this.#unverified.has(tail.domain)) {
      this.#lagging.delete(tail.domain)
    } else {
      this.#lagging.set(tail.domain, tail)
      this.#wakeUp()
    }
  }

  /** The domain has a tail from which the stream has not read yet. */
  onNewTail(tail: Tail): void {
    const seen = this.lastSeen(tail.domain)
    if (seen !== undefined && !tail.agreesWith(seen)) this.#unverified.add(tail.domain)
    this.resume(tail)
  }

  /** The tail replaced one that did not match the log. */
  onTailReplaced(tail: Tail): void {
    if (this.lastSeen(tail.domain) !== undefined) this.#unverified.add(tail.domain)
    this.onTailMoved(tail)
  }

  /** The store confirmed the tail's head. A stream with a later position may have seen events that are lost. */
  onHeadConfirmed(tail: Tail): void {
    if (this.#positionIn(tail) > tail.head) this.#unverified.add(tail.domain)
    this.onTailMoved(tail)
  }

  /** The log and the tail disagree. The stream reads its other domains until the store has answered about this one. */
  pause(tail: Tail): void {
    this.#lagging.delete(tail.domain)
    this.#paused.set(tail.domain, tail)
  }

  /** The store has answered. */
  resume(tail: Tail): void {
    this.#paused.delete(tail.domain)
    this.onTailMoved(tail)
  }

  /** Whether the stream must read its last event again. Resets the flag, so that a reason that arises meanwhile counts. */
  takeUnverified(domain: string): boolean {
    return this.#unverified.delete(domain)
  }

  end(reason: StreamEnd): void {
    this.#end ??= reason
    this.#wakeUp()
  }

  get ended(): StreamEnd | undefined {
    return this.#end
  }

  /** The number of events after the stream's positions, over all domains, including those that it filters out. */
  get lag(): bigint {
    let events = 0n
    for (const tail of [...this.#lagging.values(), ...this.#paused.values()]) {
      const missing = tail.head - this.#positionIn(tail)
      if (missing > 0n) events += missing
    }
    return events
  }

  /** A tail with events after the stream's position. Lagging domains take turns. */
  next(): Tail | undefined {
    const [tail] = this.#lagging.values()
    if (tail === undefined) return undefined
    this.#lagging.delete(tail.domain)
    this.#lagging.set(tail.domain, tail)
    return tail
  }

  /** Calls `wake` once when there is work, at once if there is already. Returns a function that cancels. */
  whenBusy(wake: () => void): () => void {
    this.#wake = wake
    if (this.#end !== undefined || this.#lagging.size > 0) this.#wakeUp()
    return () => {
      this.#wake = undefined
    }
  }

  #wakeUp(): void {
    const wake = this.#wake
    // Wake at most once per `whenBusy`: each call of `wake` enqueues the stream for a slice.
    this.#wake = undefined
    wake?.()
  }

  /**
   * Moves past consecutive events of a domain and returns those that match. The position moves past the others as well,
   * so that a stream resumed from a cursor does not filter them again.
   */
  advance(tail: Tail, events: ReadonlyArray<Event>, isShared: boolean): ReadonlyArray<StreamItem> {
    const items: Array<StreamItem> = []
    let last: Event | undefined
    for (const event of events) {
      last = event
      if (this.#since > 0n && event.time < this.#since) continue
      if (!matches(this.globs.type, event.entity.type) || !matches(this.globs.key, event.entity.key)) continue
      this.#advanceTo(tail, event)
      const cursor = this.cursor
      if (this.#end !== undefined) break
      items.push({ event, cursor, isShared })
    }
    if (last !== undefined && this.#end === undefined) this.#advanceTo(tail, last)
    this.onTailMoved(tail)
    return items
  }

  get cursor(): string {
    let all = this.#selection
    for (const { bytes } of this.#positions.values()) all += bytes
    const cursor = cursorText(all)
    if (cursor.length > cursorBytesMax) {
      this.end(tooManyDomains)
    }
    return cursor
  }

  #positionIn({ domain }: Tail): bigint {
    return this.#positions.get(domain)?.at.position ?? 0n
  }

  /** Keeps the incarnation that the stream has seen: a new tail must not change it unnoticed. */
  #advanceTo(tail: Tail, { position, id }: Event): void {
    const incarnation = this.lastSeen(tail.domain)?.incarnation ?? tail.incarnation
    this.moveTo(tail.domain, { incarnation, position, eventId: shortId(id) })
  }
}

export const tooManyDomains: TooLarge = {
  _tag: "TooLarge",
  message: `the stream covers more domains than a cursor of ${cursorBytesMax} bytes can hold; narrow the domain`
}

export const logRewound = (domain: string): LogRewound =>
  new LogRewound({
    message: `the log of domain ${domain} was rewound; open the stream from the beginning, or from an older cursor`
  })
