import { createServer } from "node:http"
import type { Socket } from "node:net"
import type { Handler, ProtocolHandler } from "@stategate/http2"
import type { ListenerLimits } from "../../../application/limits.ts"
import { Http1Connection } from "./http1-connection.ts"
import { Request, Response } from "./http1-messages.ts"
import type { Refusing } from "./unfit.ts"

/** HTTP/1.1 on connections that somebody else accepted. */
export const http1 = (handler: Handler, limits: ListenerLimits, refusing: Refusing): ProtocolHandler => {
  const connections = new Map<Socket, Http1Connection>()
  let draining = false

  const server = createServer(
    {
      IncomingMessage: Request,
      ServerResponse: Response,
      maxHeaderSize: limits.headerBytesMax,
      // Not every runtime keeps these times for a server that does not listen: see `look` of the connection.
      headersTimeout: 0,
      requestTimeout: 0,
      keepAliveTimeout: 0,
      // What is wrong with it is said by us.
      requireHostHeader: false
    },
    (request, response) => {
      if (draining) response.shouldKeepAlive = false
      connections.get(request.socket)?.parsed(request, response)
    }
  )
  // A client may say that nothing more comes, and still wait for its answer.
  Object.assign(server, { httpAllowHalfOpen: true })
  // Node drops headers over its limit in silence; one more than ours lets us see that there were too many.
  server.maxHeadersCount = limits.headersMax + 1
  // Without these listeners Node answers by itself, or cuts the connection without a word.
  server.on("connect", (_, socket) => connections.get(socket as Socket)?.failed("connect"))
  server.on("clientError", ({ code }: NodeJS.ErrnoException, socket) => {
    const connection = connections.get(socket as Socket)
    if (code === "ECONNRESET" || connection === undefined) socket.destroy()
    else connection.failed(code === "HPE_HEADER_OVERFLOW" ? "too_large" : "malformed")
  })
  const timer = setInterval(() => {
    const now = performance.now()
    for (const connection of connections.values()) connection.look(now)
  }, limits.lateCheckMs)
  timer.unref()

  return {
    accept: (socket, admission) => {
      if (admission === undefined) throw new Error("HTTP/1.1 needs the admission of a listener")
      const onClose = () => connections.delete(socket)
      const connection = new Http1Connection(socket, { ...refusing, limits, handler, admission, onClose })
      connections.set(socket, connection)
      const ends = socket.listeners("end")
      server.emit("connection", socket)
      // The parser's own listeners: it gets its input from us. Every runtime has them, and calls the first for each piece.
      const [parse] = socket.listeners("data") as Array<(chunk: Buffer) => void>
      const end = socket.listeners("end").find((listener) => !ends.includes(listener)) as (() => void) | undefined
      if (parse === undefined || end === undefined) {
        throw new Error("the HTTP/1.1 server of this runtime reads sockets in some other way")
      }
      socket.off("data", parse).off("end", end)
      connection.start({ parse: (chunk) => parse.call(socket, chunk), end: () => end.call(socket) })
    },
    drain: () => {
      draining = true
      for (const connection of connections.values()) connection.drain()
    },
    close: () => {
      clearInterval(timer)
      server.close()
    }
  }
}
