import { Code } from "@connectrpc/connect"
import { reconnectMs } from "../../../application/limits.ts"
import type { JsonObject } from "../../../domain/json.ts"
import type { WireStatus } from "../call/status.ts"
import { statusJson } from "../call/status-json.ts"

const breaks = /[\u0085\u2028\u2029]/g

/**
 * JSON on one line. Its text has no line feed, but characters that many readers of lines end one at, Python's and Java's
 * among them; these are escaped.
 */
export const lineOf = (json: JsonObject): string =>
  JSON.stringify(json).replaceAll(breaks, (found) => `\\u${found.charCodeAt(0).toString(16).padStart(4, "0")}`)

/** How a stream is written. Everything is text, and JSON text has no line breaks of its own. */
export interface Framing {
  readonly protocol: "ndjson" | "sse"
  readonly contentType: string
  /** What goes out before any item. */
  readonly start: (cursor: string | undefined) => string
  readonly item: (cursor: string, json: string) => string
  /** Word of where the stream stands, without an item. */
  readonly progress: (cursor: string, json: string) => string
  /** The last word of a stream that failed. */
  readonly failure: (status: WireStatus) => string
}

/** A JSON text on every line. */
export const ndjson: Framing = {
  protocol: "ndjson",
  contentType: "application/x-ndjson",
  start: () => "",
  item: (_, json) => `{"result":${json}}\n`,
  progress: (cursor, json) => ndjson.item(cursor, json),
  failure: (status) => `${lineOf({ error: statusJson(status) })}\n`
}

/**
 * Server-sent events. The cursor is the id, so that a browser that lost the stream says by itself how far it had come; a
 * frame with an id and no data tells it so and fires nothing.
 */
export const sse: Framing = {
  protocol: "sse",
  contentType: "text/event-stream",
  start: (cursor) => `retry: ${reconnectMs}\n${cursor === undefined ? "" : `id: ${cursor}\n`}\n`,
  item: (cursor, json) => `id: ${cursor}\ndata: ${json}\n\n`,
  progress: (cursor) => `: heartbeat\nid: ${cursor}\n\n`,
  // A gateway that goes away is no news to tell: the browser reconnects, and finds another.
  failure: (status) => (status.code === Code.Unavailable ? "" : `event: error\ndata: ${lineOf(statusJson(status))}\n\n`)
}

/** Server-sent events, if the client accepts them with no less weight than JSON lines; else JSON lines. */
export const framingFor = (accept: string | undefined): Framing => {
  const wanted = new Map<string, number>()
  for (const range of (accept ?? "").toLowerCase().split(",")) {
    const [type = "", ...parameters] = range.split(";").map((part) => part.trim())
    const q = parameters.find((parameter) => parameter.startsWith("q="))
    wanted.set(type, q === undefined ? 1 : Number(q.slice(2)) || 0)
  }
  const events = wanted.get(sse.contentType) ?? 0
  const lines = Math.max(wanted.get(ndjson.contentType) ?? 0, wanted.get("application/json") ?? 0)
  return events > 0 && events >= lines ? sse : ndjson
}
