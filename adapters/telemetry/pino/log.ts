import { Cause, type Layer, Logger, type LogLevel } from "effect"
import { type Logger as Pino, pino } from "pino"
import type { CallRecord, DecisionRecord, Telemetry } from "../../../application/telemetry.ts"
import { LineBuffer } from "./line-buffer.ts"
import { standardOutput } from "./output.ts"

/** Levels as pino names them. */
export type Level = "fatal" | "error" | "warn" | "info" | "debug" | "trace" | "silent"

export interface Log {
  readonly log: Pino
  /** Characters of lines that nobody has read yet. */
  readonly waitingChars: () => number
  /** Hands over what is held, without waiting for anybody to read it. */
  readonly flush: () => void
  /** Waits until the last lines are read, for a bounded time. */
  readonly drain: () => Promise<void>
}

/**
 * JSON lines on standard output. A line for each call would be a system call for each call, so lines are held for a
 * moment and written together. The end of the process has to `drain` them. `onLost` is called with the number of lines
 * that were lost just now.
 */
export const openLog = (level: Level, onLost?: (lines: number) => void): Log => {
  const lossLine = (lost: number) =>
    `${JSON.stringify({ level: "warn", time: new Date(), lost, msg: `${lost} log lines were lost: ${whyLost}` })}\n`
  const buffer = new LineBuffer({ output: standardOutput(1), lossLine, onLost })
  const options = { level, base: {}, timestamp, formatters: { level: named } }
  return {
    log: pino(options, { write: buffer.write }),
    waitingChars: () => buffer.waitingChars,
    flush: buffer.flush,
    drain: buffer.drain
  }
}

const whyLost = "nobody read standard output, or its disk was full"

/** The time of a line, written once for all lines of the same millisecond. */
const timestamp = (() => {
  let at = 0
  let text = ""
  return () => {
    const now = Date.now()
    if (now !== at) {
      at = now
      text = `,"time":"${new Date(now).toISOString()}"`
    }
    return text
  }
})()

const named = (label: string) => ({ level: label })

const atLevel = (log: Pino, level: LogLevel.LogLevel): ((bindings: object, message: string) => void) => {
  switch (level) {
    case "Fatal":
      return log.fatal.bind(log)
    case "Error":
      return log.error.bind(log)
    case "Warn":
      return log.warn.bind(log)
    case "Debug":
      return log.debug.bind(log)
    case "Trace":
    case "All":
      return log.trace.bind(log)
    default:
      return log.info.bind(log)
  }
}

/** Sends Effect's log messages to pino. */
const effectLogger = (log: Pino) =>
  Logger.make<unknown, void>(({ logLevel, message, cause }) => {
    const parts = Array.isArray(message) ? message : [message]
    const text = parts.filter((part) => typeof part === "string").join(" ")
    const error = parts.find((part) => part instanceof Error)
    const why = cause.reasons.length > 0 ? { cause: Cause.pretty(cause) } : error === undefined ? {} : { err: error }
    atLevel(log, logLevel)(why, text)
  })

// Failures that only the operator can fix are louder than those that a caller can.
const grave = new Set(["internal", "unknown", "unavailable", "data_loss"])

const described = (cause: unknown): unknown =>
  cause instanceof Error
    ? { message: cause.message, stack: cause.stack, ...("code" in cause ? { code: cause.code } : {}) }
    : cause

/** One line a call: its method, code and duration, and never its values. */
const recordCall =
  (log: Pino) =>
  ({
    method,
    protocol,
    code,
    durationMs,
    callId,
    domain,
    type,
    sent,
    drained,
    traceId,
    reason,
    cause
  }: CallRecord): void => {
    const line = {
      callId,
      method,
      protocol,
      code,
      durationMs: Math.round(durationMs * 1000) / 1000,
      domain,
      type,
      sent,
      drained,
      traceId,
      reason
    }
    if (cause !== undefined || (grave.has(code) && !drained))
      log.error({ ...line, cause: described(cause) }, "call failed")
    else log.info(line, "call")
  }

/** Which decisions of policies have a line: none, denied requests and failures, or all. */
export type DecisionLog = "none" | "denied" | "all"

/** One line a decision: who, what and how it was decided, never what was in it. */
const recordDecision =
  (log: Pino, which: DecisionLog) =>
  ({ policy, outcome, durationMs, rule, method, about, reason }: DecisionRecord): void => {
    // A response policy filters rows: that it withholds some is its daily work, for each event of each stream.
    const isWanted = outcome === "error" || (outcome === "deny" && policy === "request")
    if (which === "none" || (which === "denied" && !isWanted)) return
    const line = {
      decision: outcome,
      policy,
      rule,
      method,
      ...mapValues(about(), shortened),
      durationMs: Math.round(durationMs * 1000) / 1000,
      reason
    }
    if (outcome === "error") log.error(line, "the policy failed, which denies")
    else log.info(line, "decision")
  }

/** The most characters of a name that callers choose. */
const nameCharsMax = 256
const shortened = (text: string | undefined) =>
  text === undefined || text.length <= nameCharsMax ? text : `${text.slice(0, nameCharsMax)}…`

const mapValues = <A, B>(values: Readonly<Record<string, A>>, map: (value: A) => B): Record<string, B> =>
  Object.fromEntries(Object.entries(values).map(([name, value]) => [name, map(value)]))

/** Writes a line for each call, and for the decisions that are wanted. */
export const callLog = (log: Pino, decisions: DecisionLog = "denied"): Partial<Telemetry> => ({
  recordCall: recordCall(log),
  recordDecision: recordDecision(log, decisions)
})

export const layer = (log: Pino): Layer.Layer<never> => Logger.layer([effectLogger(log)])
