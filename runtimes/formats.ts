// How single settings are written. Each answers the value, or what is wrong with the text.

export type Parsed<A> = { readonly value: A } | { readonly problem: string }

const quoted = (text: string): string => JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}…` : text)

export const boolean = (text: string): Parsed<boolean> => {
  if (text === "true" || text === "1") return { value: true }
  if (text === "false" || text === "0") return { value: false }
  return { problem: `${quoted(text)} is neither true nor false` }
}

export const port = (text: string): Parsed<number> => {
  const value = /^\d{1,5}$/.test(text) ? Number(text) : Number.NaN
  return value <= 65_535 ? { value } : { problem: `${quoted(text)} is not a port (0 to 65535)` }
}

export const host = (text: string): Parsed<string> => {
  if (/^[\w.-]+:\d+$/.test(text)) return { problem: `${quoted(text)} has a port in it; that goes into STATEGATE_PORT` }
  const written = /^([\w.-]+|[\da-fA-F:.]*:[\da-fA-F:.]*(%[\w.-]+)?)$/.test(text)
  return written
    ? { value: text }
    : { problem: `${quoted(text)} is not a host name or address such as 127.0.0.1 or ::` }
}

export const logLevels = ["fatal", "error", "warn", "info", "debug", "trace", "silent"] as const
export type LogLevel = (typeof logLevels)[number]

export const logLevel = (text: string): Parsed<LogLevel> => {
  const value = logLevels.find((level) => level === text)
  return value ? { value } : { problem: `${quoted(text)} is none of ${logLevels.join(", ")}` }
}

export const http2Servers = ["own", "node"] as const
export type Http2Server = (typeof http2Servers)[number]

export const http2 = (text: string): Parsed<Http2Server> => {
  const value = http2Servers.find((name) => name === text)
  return value ? { value } : { problem: `${quoted(text)} is neither own nor node` }
}

const unitMs = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 }
const durationMsMax = 24 * unitMs.h

/** `500ms`, `20s`, `1.5m`: a number and its unit. */
export const durationMs = (text: string): Parsed<number> => {
  const [, number, unit] = /^(\d+(?:\.\d+)?)(ms|s|m|h)$/.exec(text) ?? []
  if (unit === undefined) return { problem: `${quoted(text)} is not a duration such as 500ms, 20s or 1m` }
  const value = Math.round(Number(number) * unitMs[unit as keyof typeof unitMs])
  return value <= durationMsMax ? { value } : { problem: `${quoted(text)} is more than 24h` }
}

export type Origins = "*" | ReadonlyArray<string>

/** Origins as browsers send them in `origin`: compared letter by letter, so each is brought into that form here. */
export const origins = (text: string): Parsed<Origins> => {
  if (text === "*") return { value: "*" }
  const items = text.split(",").map((item) => origin(item.trim()))
  const problems = items.flatMap((item) => ("problem" in item ? [item.problem] : []))
  if (problems.length > 0) return { problem: problems.join("; ") }
  return { value: [...new Set(items.flatMap((item) => ("value" in item ? [item.value] : [])))] }
}

const origin = (text: string): Parsed<string> => {
  // Not quoted: it might be a password.
  if (text.includes("@")) return { problem: "an origin has no user or password" }
  if (text === "*") return { problem: "* already means any origin, and stands alone" }
  if (text.includes("*")) return { problem: `${quoted(text)} is a pattern; each origin has to be written out` }
  const problem = { problem: `${quoted(text)} is not an origin: scheme://host or scheme://host:port, without a path` }
  if (!/^[a-z][a-z\d+.-]*:\/\/[^/?#\\\s]+$/i.test(text) || !URL.canParse(text)) return problem
  const url = new URL(text)
  // Schemes of apps and extensions have no origin for URL, and go out as they are written.
  return { value: url.origin === "null" ? text.toLowerCase() : url.origin }
}
