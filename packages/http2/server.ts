import { admitAll } from "./admission.ts"
import { Connection } from "./connection.ts"
import type { Handler, OversizedHandler, ProtocolHandler, StreamHandler } from "./handlers.ts"
import type { Http2Limits } from "./limits.ts"
import { MemoryBudget } from "./memory-budget.ts"
import { serveByHandler } from "./node-messages.ts"
import type { Stream } from "./stream.ts"

interface Serving {
  readonly handler: Handler
  /** Called first; returns false to leave the stream to `handler`. */
  readonly onStream: StreamHandler
  /** By default such requests are answered with 431 and no body. */
  readonly onOversized?: OversizedHandler | undefined
  readonly onFault: (cause: unknown) => void
}

const refuseOversized: OversizedHandler = (stream) => stream.respond([[":status", "431"]], true)

/** HTTP/2 on connections that the caller has accepted. */
export const http2 = (
  limits: Http2Limits,
  { handler, onStream, onOversized = refuseOversized, onFault }: Serving
): ProtocolHandler => {
  const connections = new Set<Connection>()
  const budget = new MemoryBudget(limits.sessionsHeldBytesMax)
  const timer = setInterval(() => {
    const now = performance.now()
    for (const connection of connections) connection.checkTimeouts(now)
  }, limits.lateCheckMs)
  timer.unref()
  const serve = (stream: Stream) => {
    if (stream.head.isOversized) onOversized(stream)
    else if (stream.head.method === "CONNECT") stream.respond([[":status", "405"]], true)
    else if (!onStream(stream)) serveByHandler(stream, handler)
  }
  return {
    accept: (socket, admission = admitAll(budget)) => {
      const connection: Connection = new Connection(socket, {
        limits,
        admission,
        onStream: serve,
        onFault,
        onClose: () => connections.delete(connection)
      })
      connections.add(connection)
    },
    drain: () => {
      for (const connection of connections) connection.drain()
    },
    close: () => clearInterval(timer)
  }
}
