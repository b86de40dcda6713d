import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client"
import { backgroundFibers } from "../../../application/background.ts"
import {
  type CommitMeasurement,
  type CounterName,
  type GaugeName,
  refusedReasons,
  type Telemetry
} from "../../../application/telemetry.ts"
import { countCalls } from "./calls.ts"
import { countDecisions } from "./decisions.ts"

type Text = readonly [name: string, help: string]

// No metric has a label whose values a caller can invent: not a domain, nor a path, nor a type.

const counters: Readonly<Record<CounterName, Text>> = {
  jobsRefused: ["stategate_commit_jobs_refused_total", "Changes that were refused because the queue was full."],
  streamsRefused: ["stategate_streams_refused_total", "Streams that were refused because there were too many."],
  delivered: ["stategate_feed_events_delivered_total", "Events that were handed to streams."],
  backfills: ["stategate_feed_backfills_total", "Reads of the log for events that the channel had not brought."],
  logReads: ["stategate_feed_log_reads_total", "Reads of the log for streams that were further back than memory."],
  rewinds: ["stategate_feed_rewinds_total", "Logs that were found to have gone back in time."],
  policyReloads: ["stategate_policy_reloads_total", "Policies that took the place of another one."],
  policyReloadsRefused: [
    "stategate_policy_reloads_refused_total",
    "Policies that changed and could not be used; the ones before them stayed."
  ],
  logLinesLost: [
    "stategate_log_lines_lost_total",
    "Log lines that could not be written, such as when nobody read them."
  ],
  keyReadFailures: ["stategate_auth_key_read_failures_total", "Reads of an issuer's keys that failed."]
}

const gauges: Readonly<Record<GaugeName, Text>> = {
  calls: ["stategate_calls_in_flight", "Calls under way, streams not counted."],
  queuedJobs: ["stategate_commit_queue_jobs", "Changes that wait for a commit."],
  queuedBytes: ["stategate_commit_queue_bytes", "Bytes of the changes that wait for a commit."],
  streams: ["stategate_streams_open", "Open streams."],
  lag: ["stategate_feed_lag_events", "Events that are in the logs and not yet in memory for streams."],
  slowest: ["stategate_feed_slowest_stream_lag_events", "Lag of the slowest stream, in events."],
  tailBytes: ["stategate_feed_tail_bytes", "Bytes of the events that are kept in memory for streams."],
  logChars: ["stategate_log_waiting_characters", "Characters of log lines in memory that nobody has read yet."],
  keys: ["stategate_auth_keys", "Keys that tokens are verified with."],
  keysAgeSeconds: [
    "stategate_auth_keys_age_seconds",
    "Seconds since the keys were last read; of the issuer that is worst off."
  ],
  tokens: ["stategate_auth_tokens_cached", "Verified tokens that are remembered until they expire."]
}

/** The constant labels of this process. */
export interface Build {
  readonly version: string
  /** Such as `node 24.21.0`. */
  readonly runtime: string
}

/** The text that Prometheus scrapes, and the telemetry that it is made of. */
export interface Metrics {
  readonly telemetry: Telemetry
  readonly contentType: string
  readonly text: () => Promise<string>
}

export const openMetrics = (build: Build): Metrics => {
  const registry = new Registry()
  const registers = [registry]
  new Gauge({
    name: "stategate_build_info",
    help: "Always 1; the labels name version and runtime.",
    labelNames: ["version", "runtime"],
    registers
  }).set({ ...build }, 1)
  const recordCall = countCalls(registry)
  const recordCommit = countCommits(registry)
  const recordRefusal = countRefused(registry)
  const totals = Object.fromEntries(
    Object.entries(counters).map(([what, [name, help]]) => [what, new Counter({ name, help, registers })])
  ) as Record<CounterName, Counter>
  const defects = new Counter({
    name: "stategate_background_defects_total",
    help: "Defects of background fibers; the log has the details.",
    labelNames: ["fiber"],
    registers
  })
  // Present from the start, so that the first defect is an increase.
  for (const fiber of backgroundFibers) defects.inc({ fiber }, 0)
  processMetrics(registry)
  return {
    telemetry: {
      recordCall,
      recordCommit,
      recordDecision: countDecisions(registry),
      recordDefect: (fiber) => defects.inc({ fiber }),
      recordRefusal,
      count: (what, by) => totals[what].inc(by),
      registerGauge: (what, read) => {
        const [name, help] = gauges[what]
        // The last registration wins: a test may build a gateway twice.
        registry.removeSingleMetric(name)
        new Gauge({ name, help, registers, collect: collectFrom(read) })
      }
    },
    contentType: registry.contentType,
    text: () => registry.metrics()
  }
}

const collectFrom = (read: () => number) =>
  function (this: Gauge) {
    this.set(read())
  }

const countRefused = (registry: Registry): Telemetry["recordRefusal"] => {
  const total = new Counter({
    name: "stategate_refused_total",
    help: "Connections and requests that the listener did not serve, by reason.",
    labelNames: ["reason"],
    registers: [registry]
  })
  for (const reason of refusedReasons) total.inc({ reason }, 0)
  return (reason) => total.inc({ reason })
}

const countCommits = (registry: Registry): ((record: CommitMeasurement) => void) => {
  const registers = [registry]
  const outcomes = new Counter({
    name: "stategate_commits_total",
    help: "Writes of the store, by outcome; one may hold the changes of many calls.",
    labelNames: ["outcome"],
    registers
  })
  // Present from the start, so that the first failure is an increase.
  for (const outcome of ["ok", "failed"]) outcomes.inc({ outcome }, 0)
  const events = new Histogram({
    name: "stategate_commit_events",
    help: "Events in one write of the store.",
    buckets: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000],
    registers
  })
  const duration = new Histogram({
    name: "stategate_commit_duration_seconds",
    help: "How long writes of the store took.",
    buckets: [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
    registers
  })
  return (record) => {
    outcomes.inc({ outcome: record.failed ? "failed" : "ok" })
    events.observe(record.events)
    duration.observe(record.durationMs / 1000)
  }
}

/** Metrics of the process. The gateway starts even where the platform lacks some of them. */
const processMetrics = (registry: Registry): void => {
  try {
    collectDefaultMetrics({ register: registry })
  } catch {
    // Metrics that were registered before the error stay.
  }
  // These end in _total and are no counters, and walk over all sockets of the process each time.
  for (const what of ["handles", "requests", "resources"]) {
    registry.removeSingleMetric(`nodejs_active_${what}_total`)
    registry.removeSingleMetric(`nodejs_active_${what}`)
  }
}
