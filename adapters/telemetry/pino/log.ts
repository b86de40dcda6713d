import { Cause, type Layer, Logger, type LogLevel } from "effect"
import { type Logger as Pino, pino } from "pino"
import { logHeldCharsMax, logHeldMs } from "../../../application/limits.ts"
import type { CallRecord, Watcher } from "../../../application/observer.ts"

/** Levels as pino names them. */
export type Level = "fatal" | "error" | "warn" | "info" | "debug" | "trace" | "silent"

/** The log, and what writes out the lines that it still holds. */
export interface Log {
  readonly log: Pino
  readonly flush: () => void
}

/**
 * JSON lines on standard output. A line for each call would be a system call for each call, so lines are held for a
 * moment and written together; those of the last moment go out with `flush`, which whoever ends the process calls.
 */
export const openLog = (level: Level): Log => {
  // Whoever read the log has gone: the lines are lost, and calls go on being served.
  process.stdout.on("error", () => {})
  let held = ""
  const flush = () => {
    if (held === "") return
    // To files and pipes this writes before it returns, and waits for no disk.
    process.stdout.write(held)
    held = ""
  }
  const write = (line: string) => {
    held += line
    if (held.length > logHeldCharsMax) flush()
  }
  setInterval(flush, logHeldMs).unref()
  const options = { level, base: {}, timestamp, formatters: { level: named } }
  return { log: pino(options, { write }), flush }
}

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

/** What Effect logs goes the same way as everything else. */
const effectLogger = (log: Pino) =>
  Logger.make<unknown, void>(({ logLevel, message, cause }) => {
    const parts = Array.isArray(message) ? message : [message]
    const text = parts.filter((part) => typeof part === "string").join(" ")
    const error = parts.find((part) => part instanceof Error)
    const why = cause.reasons.length > 0 ? { cause: Cause.pretty(cause) } : error === undefined ? {} : { err: error }
    atLevel(log, logLevel)(why, text)
  })

// Failures that only the operator can mend are louder than those that a caller can.
const grave = new Set(["internal", "unknown", "unavailable", "data_loss"])

const described = (cause: unknown): unknown =>
  cause instanceof Error
    ? { message: cause.message, stack: cause.stack, ...("code" in cause ? { code: cause.code } : {}) }
    : cause

/** One line a call: what, how it went and how long it took, never what was in it. */
const called =
  (log: Pino) =>
  ({ method, protocol, code, durationMs, callId, domain, type, sent, traceId, cause }: CallRecord): void => {
    const line = {
      callId,
      method,
      protocol,
      code,
      durationMs: Math.round(durationMs * 1000) / 1000,
      domain,
      type,
      sent,
      traceId
    }
    if (cause !== undefined || grave.has(code)) log.error({ ...line, cause: described(cause) }, "call failed")
    else log.info(line, "call")
  }

/** Writes a line for each call. */
export const watcher = (log: Pino): Partial<Watcher> => ({ called: called(log) })

export const layer = (log: Pino): Layer.Layer<never> => Logger.layer([effectLogger(log)])
