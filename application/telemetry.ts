import { Context } from "effect"
import type { BackgroundFiber } from "./background.ts"

/** One finished call, as logs and metrics see it. It holds no values. */
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
  /** Messages that a stream has sent; absent for unary calls. */
  readonly sent?: number
  /** The call ended, or did not start, because the gateway is shutting down. This is no failure. */
  readonly drained?: true
  /** The trace that the call belongs to, if there is one. */
  readonly traceId?: string | undefined
  /** Why a caller was refused, for the log. The caller learns less. */
  readonly reason?: string
  /** The inner cause, for operators. Callers never see it. */
  readonly cause?: unknown
}

/** One commit of the store, of all its domains. */
export interface CommitMeasurement {
  readonly events: number
  readonly durationMs: number
  /** Whether the store failed for some domain. A command that the domain rejects is no failure. */
  readonly failed: boolean
}

/** How a policy decided. An error denies. */
export const decisionOutcomes = ["allow", "deny", "error"] as const
export type DecisionOutcome = (typeof decisionOutcomes)[number]

/** One decision of a policy. Never holds values of an entity. */
export interface DecisionRecord {
  /** What the policy judged: a request, or a message before it is sent. */
  readonly policy: "request" | "response"
  readonly outcome: DecisionOutcome
  readonly durationMs: number
  /** Such as `data.stategate.authz.allow`. */
  readonly rule: string
  /** Such as `/stategate.EntityService/Set`. */
  readonly method: string
  /** The caller and the entity; made only for a log that writes them. */
  readonly about: () => Readonly<Record<"sub" | "iss" | "domain" | "type" | "key", string | undefined>>
  /** Why the policy failed. */
  readonly reason?: string
}

/** Names of the counters. */
export type CounterName =
  /** Jobs that the full queue refused. */
  | "jobsRefused"
  /** Streams that were refused because too many were open. */
  | "streamsRefused"
  /** Events that streams delivered. */
  | "delivered"
  /** Reads of the log for events that the channel lost. */
  | "backfills"
  /** Reads of the log for streams that need events older than those in memory. */
  | "logReads"
  /** Logs that were found to have gone back in time. */
  | "rewinds"
  /** Policies that took the place of another one. */
  | "policyReloads"
  /** Policies that changed and cannot be used; the ones before them stay. */
  | "policyReloadsRefused"
  /** Log lines that were lost, because nobody read standard output or the disk was full. */
  | "logLinesLost"
  /** Reads of an issuer's keys that failed. */
  | "keyReadFailures"

/** Why the listener refused a connection or a request: a bound of the process, a bound of one address, or a malformed request. */
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

/** Names of the gauges, which are read when somebody asks. */
export type GaugeName =
  | "calls"
  | "queuedJobs"
  | "queuedBytes"
  | "streams"
  | "lag"
  | "slowest"
  | "tailBytes"
  | "logChars"
  | "keys"
  | "keysAgeSeconds"
  | "tokens"

/** Takes what the gateway measures, for logs and metrics. Its functions never throw; every call pays for `recordCall` and `count`. */
export interface Telemetry {
  readonly recordCall: (record: CallRecord) => void
  readonly recordCommit: (record: CommitMeasurement) => void
  readonly recordDecision: (record: DecisionRecord) => void
  readonly count: (what: CounterName, by: number) => void
  /** A background fiber met a defect, which is in the log. */
  readonly recordDefect: (fiber: BackgroundFiber) => void
  readonly recordRefusal: (reason: RefusedReason) => void
  /** Called once for each gauge, by the part of the gateway that can read it. */
  readonly registerGauge: (what: GaugeName, read: () => number) => void
}

const ignore = () => {}

/** Passes every measurement on to all of these. Each may leave out functions. */
export const combineTelemetry = (...all: ReadonlyArray<Partial<Telemetry>>): Telemetry => {
  const each = <Name extends keyof Telemetry>(name: Name): Telemetry[Name] => {
    const [first = ignore, ...others] = all.flatMap((one) => one[name] ?? [])
    const callAll = (...args: ReadonlyArray<never>) => {
      for (const call of [first, ...others] as ReadonlyArray<(...args: ReadonlyArray<never>) => void>) call(...args)
    }
    return (others.length === 0 ? first : callAll) as Telemetry[Name]
  }
  return {
    recordCall: each("recordCall"),
    recordCommit: each("recordCommit"),
    recordDecision: each("recordDecision"),
    count: each("count"),
    recordDefect: each("recordDefect"),
    recordRefusal: each("recordRefusal"),
    registerGauge: each("registerGauge")
  }
}

/** Where measurements go: nowhere, unless the runtime provides a receiver. */
export const Telemetry = Context.Reference<Telemetry>("stategate/application/Telemetry", {
  defaultValue: () => combineTelemetry()
})
