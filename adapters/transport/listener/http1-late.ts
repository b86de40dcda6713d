import type { ServerResponse } from "node:http"
import type { Socket } from "node:net"
import { StallTimer } from "@stategate/http2"
import type { ListenerLimits } from "../../../application/limits.ts"

/** What one HTTP/1.1 connection is doing. */
export class Connection {
  readonly responses = new Set<ServerResponse>()
  /** `bytesRead` when the last response was done: more than this means that a request is on its way. */
  bytesAtRest = -1
  /** When what goes on now began: a request, or a rest. */
  since = performance.now()
  /** When a request was first seen on its way, its headers not complete. */
  headersSince: number | undefined
  isEnding = false
  /** How far the client has read, as long as there is more to read. */
  readonly unread = new StallTimer()

  serves(response: ServerResponse): void {
    this.headersSince = undefined
    this.since = performance.now()
    this.responses.add(response)
  }

  rests(socket: Socket): void {
    this.since = performance.now()
    this.bytesAtRest = socket.bytesRead
  }

  /** Bytes of an answer that is not read, and of a request that is not complete: of one that is answered nothing is kept. */
  heldBytes(socket: Socket): number {
    const [response] = this.responses
    const isUnfinished = response !== undefined && !response.req.complete && !response.headersSent
    return socket.writableLength + (isUnfinished ? socket.bytesRead - this.bytesAtRest : 0)
  }
}

const late = "HTTP/1.1 408 Request Timeout\r\nconnection: close\r\n\r\n"

/**
 * Ends what takes too long: headers, bodies, and rests between requests. Looks at all connections now and then, since a
 * timer for each would cost more than it is worth. Gives what stops it.
 */
export const watchLate = (connections: ReadonlyMap<Socket, Connection>, limits: ListenerLimits): (() => void) => {
  const end = (socket: Socket, connection: Connection, isAnswered: boolean) => {
    if (isAnswered) {
      socket.destroy()
      return
    }
    connection.isEnding = true
    socket.end(late)
    // Who does not close is not waited for.
    const timer = setTimeout(() => socket.destroy(), limits.unreadLingerMs)
    socket.once("close", () => clearTimeout(timer))
  }
  const look = (socket: Socket, connection: Connection, now: number) => {
    const read = socket.writableLength === 0 ? undefined : socket.bytesWritten - socket.writableLength
    if (connection.unread.ms(read, now) > limits.unreadMsMax) {
      socket.destroy()
      return
    }
    const elapsed = now - connection.since
    if (connection.responses.size > 0) {
      const [response] = connection.responses
      if (response!.req.complete || elapsed <= limits.requestMsMax) return
      // Whatever was said so far, nothing can be made of the rest.
      end(socket, connection, response!.headersSent)
    } else if (socket.bytesRead === connection.bytesAtRest) {
      if (elapsed > limits.keepAliveMs) socket.destroySoon()
    } else {
      connection.headersSince ??= now
      if (now - connection.headersSince > limits.headersMsMax) end(socket, connection, socket.writableEnded)
    }
  }
  const timer = setInterval(() => {
    const now = performance.now()
    for (const [socket, connection] of connections) if (!connection.isEnding) look(socket, connection, now)
    relieve(connections, limits.sessionsHeldBytesMax)
  }, limits.lateCheckMs)
  timer.unref()
  return () => clearInterval(timer)
}

/** Over the limit, connections for which most is held are cut. */
const relieve = (connections: ReadonlyMap<Socket, Connection>, bytesMax: number): void => {
  const holders = Array.from(connections, ([socket, connection]) => ({ socket, bytes: connection.heldBytes(socket) }))
  let held = holders.reduce((sum, { bytes }) => sum + bytes, 0)
  if (held <= bytesMax) return
  for (const { socket, bytes } of holders.sort((a, b) => b.bytes - a.bytes)) {
    socket.destroy()
    held -= bytes
    if (held <= bytesMax) return
  }
}
