import type { IncomingMessage, ServerResponse } from "node:http"
import type { Http2ServerRequest, Http2ServerResponse, IncomingHttpHeaders, ServerHttp2Stream } from "node:http2"
import type { Socket } from "node:net"

export type Handler = (
  request: IncomingMessage | Http2ServerRequest,
  response: ServerResponse | Http2ServerResponse
) => void

/** Takes an HTTP/2 request below the objects that Node makes of one; false leaves it to the handler. */
export type StreamHandler = (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => boolean

/** One of the protocols of a port, on connections that somebody else accepted. */
export interface Face {
  readonly accept: (socket: Socket) => void
  /** No new request from now on: what is idle goes at once, the rest as soon as it is answered. */
  readonly drain: () => void
  readonly close: () => void
}
