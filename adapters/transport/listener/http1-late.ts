import type { ServerResponse } from "node:http"
import type { Socket } from "node:net"
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

  serves(response: ServerResponse): void {
    this.headersSince = undefined
    this.since = performance.now()
    this.responses.add(response)
  }

  rests(socket: Socket): void {
    this.since = performance.now()
    this.bytesAtRest = socket.bytesRead
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
  }, limits.lateCheckMs)
  timer.unref()
  return () => clearInterval(timer)
}
