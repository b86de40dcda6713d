import type { IncomingMessage, ServerResponse } from "node:http"
import type { Socket } from "node:net"
import type { ConnectionAdmission } from "./admission.ts"
import type { Stream } from "./stream.ts"

/**
 * Serves one request. HTTP/2 requests are given as the objects of Node's HTTP/1.1 server. The request keeps its slot
 * until the returned promise settles, which may be after the answer, or after the client has left.
 */
export type Handler = (request: IncomingMessage, response: ServerResponse) => void | Promise<void>

/** Serves an HTTP/2 stream directly; false leaves it to the handler. */
export type StreamHandler = (stream: Stream) => boolean

/**
 * Refuses a request whose head exceeds the limits. `stream.head` has only what the refusal needs: the pseudo-header
 * fields, `content-type`, `x-request-id` and `origin`, if they are not large themselves.
 */
export type OversizedHandler = (stream: Stream) => void

/** Serves one protocol on accepted connections. */
export interface ProtocolHandler {
  /** Without `admission`, only memory is bounded. */
  readonly accept: (socket: Socket, admission?: ConnectionAdmission) => void
  /** Takes no new request: idle connections close at once, the others when their calls are answered. */
  readonly drain: () => void
  readonly close: () => void
}
