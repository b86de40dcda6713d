import { createServer, IncomingMessage } from "node:http"
import type { Socket } from "node:net"
import type { Handler, ProtocolHandler } from "@stategate/http2"
import type { ListenerLimits } from "../../../application/limits.ts"
import { Connection, watchLate } from "./http1-late.ts"
import { answerWhole, lastAnswer, type RefuseOversized, refuseWithoutBody } from "./oversized.ts"

/**
 * A request whose unread body can be thrown away, also after its reader destroyed it (leaving a `for await` does).
 * Node keeps the connection of such a request paused, so that the next request on it would never be read.
 */
const discardable = (bytesMax: number) =>
  class Discardable extends IncomingMessage {
    // Node sets `req.socket` to null when a server's request is destroyed.
    readonly #socket: Socket
    #discarded: number | undefined

    constructor(socket: Socket) {
      super(socket)
      this.#socket = socket
    }

    discard(): void {
      if (this.complete || this.#discarded !== undefined) return
      this.#discarded = 0
      this.resume()
      this.#socket.resume()
    }

    override push(chunk: Buffer | null, encoding?: BufferEncoding): boolean {
      if (chunk === null || this.#discarded === undefined) return super.push(chunk, encoding)
      this.#discarded += chunk.length
      if (this.#discarded > bytesMax) this.#socket.destroy()
      return true
    }
  }

/** HTTP/1.1 on connections that somebody else accepted. */
export const http1 = (
  handler: Handler,
  limits: ListenerLimits,
  refuseOversized: RefuseOversized = refuseWithoutBody
): ProtocolHandler => {
  const connections = new Map<Socket, Connection>()
  let draining = false

  const server = createServer(
    {
      IncomingMessage: discardable(limits.unreadBodyBytesMax),
      maxHeaderSize: limits.headerBytesMax,
      // Not every runtime keeps these times for a server that does not listen: see http1-late.ts.
      headersTimeout: 0,
      requestTimeout: 0,
      keepAliveTimeout: 0
    },
    (request, response) => {
      const { socket } = request
      const connection = connections.get(socket)
      // The answer before this one was the last: nothing can be said to what the client sent after it.
      if (connection === undefined || socket.writableEnded) return
      connection.serves(response)
      response.prependOnceListener("finish", () => {
        if (request.complete) return
        // A close with unread bytes is a TCP reset, which may overtake the response: half-close, and let the client finish.
        socket.destroySoon = () => socket.end()
        request.discard()
      })
      response.once("close", () => {
        connection.responses.delete(response)
        connection.rests(socket)
        if (draining && connection.responses.size === 0) socket.destroySoon()
      })
      if (draining) response.shouldKeepAlive = false
      if (request.rawHeaders.length / 2 > limits.headersMax) {
        response.shouldKeepAlive = false
        const header = (name: string) => request.headersDistinct[name]?.[0]
        answerWhole(response, refuseOversized({ path: request.url ?? "", header }))
      } else handler(request, response)
    }
  )
  // Node drops headers over its limit in silence; one more than ours lets us see that there were too many.
  server.maxHeadersCount = limits.headersMax + 1
  // Without a listener Node cuts the connection without a word.
  server.on("connect", (_, socket) => socket.end("HTTP/1.1 405 Method Not Allowed\r\nconnection: close\r\n\r\n"))
  server.on("clientError", (error: NodeJS.ErrnoException, socket: Socket) => {
    const responses = [...(connections.get(socket)?.responses ?? [])]
    // Nothing can be said behind an answer that has begun.
    if (!socket.writable || responses.some(({ headersSent }) => headersSent)) return void socket.destroy()
    const isOversized = error.code === "HPE_HEADER_OVERFLOW"
    const nothingKnown = { path: "", header: () => undefined }
    socket.end(
      isOversized ? lastAnswer(refuseOversized(nothingKnown)) : "HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n"
    )
  })
  const stopWatching = watchLate(connections, limits)

  return {
    accept: (socket) => {
      connections.set(socket, new Connection())
      socket.once("close", () => connections.delete(socket))
      server.emit("connection", socket)
    },
    drain: () => {
      draining = true
      for (const [socket, { responses, bytesAtRest }] of connections) {
        for (const response of responses) response.shouldKeepAlive = false
        if (responses.size === 0 && socket.bytesRead === bytesAtRest) socket.destroySoon()
      }
    },
    close: () => {
      stopWatching()
      server.close()
    }
  }
}
