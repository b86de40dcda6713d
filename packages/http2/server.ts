import type { Socket } from "node:net"
import { Connection } from "./connection.ts"
import type { Handler, ProtocolHandler, StreamHandler } from "./handlers.ts"
import { Holdings } from "./holdings.ts"
import type { Http2Limits } from "./limits.ts"
import { serveByHandler } from "./node-messages.ts"
import type { Stream } from "./stream.ts"

interface Serving {
  readonly handler: Handler
  /** Asked first. */
  readonly onStream: StreamHandler
  readonly onFault: (cause: unknown) => void
}

/** HTTP/2 on connections that somebody else accepted. */
export const http2 = (limits: Http2Limits, { handler, onStream, onFault }: Serving): ProtocolHandler => {
  const connections = new Set<Connection>()
  const holdings = new Holdings(limits.sessionsHeldBytesMax)
  const timer = setInterval(() => {
    const now = performance.now()
    for (const connection of connections) connection.look(now)
  }, limits.lateCheckMs)
  timer.unref()
  const serve = (stream: Stream) => {
    if (stream.head.method === "CONNECT") stream.respond([[":status", "405"]], true)
    else if (!onStream(stream)) serveByHandler(stream, handler)
  }
  return {
    accept: (socket: Socket) => {
      const connection: Connection = new Connection(socket, {
        limits,
        holdings,
        onStream: serve,
        onFault,
        onClose: () => connections.delete(connection)
      })
      connections.add(connection)
    },
    drain: () => {
      for (const connection of connections) connection.leave()
    },
    close: () => clearInterval(timer)
  }
}
