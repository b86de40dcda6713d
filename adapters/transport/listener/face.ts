import type { IncomingMessage, ServerResponse } from "node:http"
import type { Socket } from "node:net"
import type { Stream } from "./http2/stream.ts"

/** Serves one request. Of HTTP/2 it gets objects that look like those of HTTP/1.1. */
export type Handler = (request: IncomingMessage, response: ServerResponse) => void

/** Takes an HTTP/2 request as it is; false leaves it to the handler. */
export type StreamHandler = (stream: Stream) => boolean

/** One of the protocols of a port, on connections that somebody else accepted. */
export interface Face {
  readonly accept: (socket: Socket) => void
  /** No new request from now on: what is idle goes at once, the rest as soon as it is answered. */
  readonly drain: () => void
  readonly close: () => void
}
