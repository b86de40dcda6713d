import type { IncomingMessage, ServerResponse } from "node:http"
import type { Socket } from "node:net"
import type { ConnectionAdmission } from "./admission.ts"
import type { Stream } from "./stream.ts"

/**
 * Serves one request. Requests of HTTP/2 come as objects that look like those of HTTP/1.1. A promise says when the work
 * is over, which may be later than the answer, or than the client's leaving; until then the request keeps its slot.
 */
export type Handler = (request: IncomingMessage, response: ServerResponse) => void | Promise<void>

/** Takes an HTTP/2 request as it is; false leaves it to the handler. */
export type StreamHandler = (stream: Stream) => boolean

/**
 * Refuses a request whose head is larger than the limits allow. Its head has only what the refusal needs: the
 * pseudo-header fields, `content-type`, `x-request-id` and `origin`, if they are not large themselves.
 */
export type OversizedHandler = (stream: Stream) => void

/** Serves one protocol on connections that a listener accepted. */
export interface ProtocolHandler {
  /** Without a rule of the listener, memory alone is bounded. */
  readonly accept: (socket: Socket, admission?: ConnectionAdmission) => void
  /** No new request from now on: idle connections close at once, the others as soon as their calls are answered. */
  readonly drain: () => void
  readonly close: () => void
}
