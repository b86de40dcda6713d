// The listener, and clients that send exactly what a test wants sent. Each is closed with the scope of its test.

import { type Handler, type ListenerOptions, listen } from "../../../adapters/transport/listener/listen.ts"

export {
  call,
  echo,
  frame,
  get,
  ping,
  preface,
  reset,
  session,
  settings,
  wire
} from "../../../packages/http2/test/clients.ts"

/** The same tests run on Node's HTTP/2 as well: see vitest.config.ts. */
export const http2InTests = process.env["STATEGATE_HTTP2"] === "node" ? "node" : "own"

export const serve = (handler: Handler, options: Partial<ListenerOptions> = {}) =>
  listen({ host: "127.0.0.1", port: 0, graceMs: 30_000, http2: http2InTests, ...options }, handler)

export const http1 = (method: string, path: string, headers: Record<string, string> = {}, body = "") =>
  [
    `${method} ${path} HTTP/1.1`,
    "host: localhost",
    ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
    "",
    body
  ].join("\r\n")
