const preflightSeconds = 7200

const allowedMethods = "GET, HEAD, POST, PUT, PATCH, DELETE"

const allowedHeaders = [
  "authorization",
  "content-type",
  "idempotency-key",
  "if-match",
  "if-none-match",
  "last-event-id",
  "traceparent",
  // Not stored, but clients that send the other send it too.
  "tracestate",
  "baggage",
  "x-request-id",
  "connect-protocol-version",
  "connect-timeout-ms",
  "grpc-timeout",
  "x-grpc-web",
  "x-user-agent"
].join(", ")

const exposedHeaders = [
  "etag",
  "stategate-version",
  "stategate-position",
  "stategate-time",
  "stategate-event-id",
  "stategate-replayed",
  "stategate-cursor",
  "x-request-id",
  "retry-after",
  "grpc-status",
  "grpc-message",
  "grpc-status-details-bin"
].join(", ")

/** Whether a browser asks if it may ask, which is answered without looking at the call itself. */
export const isPreflight = (method: string, header: (name: string) => string | undefined): boolean =>
  method === "OPTIONS" && header("origin") !== undefined && header("access-control-request-method") !== undefined

/**
 * The headers that let pages of the given origins (`*` is any) read an answer, or send what needs a preflight. Nobody is
 * let in by default. Cookies never count, so none are allowed.
 */
export const corsHeaders = (
  origin: string | undefined,
  origins: ReadonlyArray<string>,
  preflight = false
): Readonly<Record<string, string>> => {
  if (origins.length === 0) return {}
  const any = origins.includes("*")
  // Caches must not hand an answer for one origin to another, nor one that was asked for without any.
  const vary: Record<string, string> = any ? {} : { vary: "origin" }
  if (origin === undefined || !(any || origins.includes(origin))) return vary
  const allowed = { ...vary, "access-control-allow-origin": any ? "*" : origin }
  if (!preflight) return { ...allowed, "access-control-expose-headers": exposedHeaders }
  return {
    ...allowed,
    "access-control-allow-methods": allowedMethods,
    "access-control-allow-headers": allowedHeaders,
    "access-control-max-age": String(preflightSeconds)
  }
}
