import { Context } from "effect"
import type { BackgroundFiber } from "./background.ts"

/** One finished call, as logs and metrics see it. Never what was in it. */
export interface CallRecord {
  /** Such as `/stategate.EntityService/Set`. */
  readonly method: string
  /** What the caller used: grpc, grpc-web, connect, rest, ndjson or sse. */
  readonly protocol: string
  /** A gRPC code in lower case, such as `ok` or `not_found`. */
  readonly code: string
  readonly durationMs: number
  readonly callId: string
  readonly domain?: string
  readonly type?: string
  /** Messages that a stream has sent; absent for what is no stream. */
  readonly sent?: number
  /** Ended, or not begun, because the gateway is shutting down: no failure. */
  readonly drained?: true
  /** The trace that the call belongs to, if there is one. */
  readonly traceId?: string | undefined
  /** What went wrong inside; for operators, never for callers. */
  readonly cause?: unknown
}

/** One write of the store, for all the domains whose jobs went along. */
export interface CommitRecord {
  readonly events: number
  readonly durationMs: number
  /** Whether the store failed for some domain; what callers were refused for good reasons is no failure. */
  readonly failed: boolean
}

/** What is counted when it happens. */
export type Counted =
  /** A job that found the queue full. */
  | "jobsRefused"
  /** A stream that found all places taken. */
  | "streamsRefused"
  /** An event that was handed to a stream. */
  | "delivered"
  /** A read of events that the channel did not bring. */
  | "backfills"
  /** A read for a stream that is further back than memory goes. */
  | "logReads"
  /** A log that was found to have gone back in time. */
  | "rewinds"
  /** A log line that could not be written, because nobody read the lines before it or the disk was full. */
  | "logLinesLost"

/** Why the listener did not serve what came: too much of everything, or too much of one address, or no request at all. */
export const refusedReasons = [
  "requests",
  "memory",
  "address_connections",
  "address_requests",
  "address_memory",
  "malformed",
  "host",
  "late",
  "too_large",
  "connect"
] as const
export type RefusedReason = (typeof refusedReasons)[number]

/** What there is at a moment, and is looked at when somebody asks. */
export type Gauged = "calls" | "queuedJobs" | "queuedBytes" | "streams" | "lag" | "slowest" | "tailBytes" | "logChars"

/** Watches the gateway work. Nothing here may throw, and `called` and `counted` cost every call. */
export interface Watcher {
  readonly called: (record: CallRecord) => void
  readonly committed: (record: CommitRecord) => void
  readonly counted: (what: Counted, by: number) => void
  /** Something in the background had a defect; it is in the log. */
  readonly defected: (fiber: BackgroundFiber) => void
  readonly refused: (reason: RefusedReason) => void
  /** Told once, by the part that knows. */
  readonly gauged: (what: Gauged, read: () => number) => void
}

const ignore = () => {}

/** Several watchers as one; what one of them leaves out does not interest it. */
export const watchers = (...all: ReadonlyArray<Partial<Watcher>>): Watcher => {
  const each = <Name extends keyof Watcher>(name: Name): Watcher[Name] => {
    const [first = ignore, ...others] = all.flatMap((watcher) => watcher[name] ?? [])
    const told = (...args: ReadonlyArray<never>) => {
      for (const tell of [first, ...others] as ReadonlyArray<(...args: ReadonlyArray<never>) => void>) tell(...args)
    }
    return (others.length === 0 ? first : told) as Watcher[Name]
  }
  return {
    called: each("called"),
    committed: each("committed"),
    counted: each("counted"),
    defected: each("defected"),
    refused: each("refused"),
    gauged: each("gauged")
  }
}

/** Who watches; nobody, unless the runtime says so. */
export const Observer = Context.Reference<Watcher>("stategate/application/Observer", { defaultValue: () => watchers() })
