import type { Socket } from "node:net"

interface Handle {
  readonly bytesWritten?: number
  readonly writeQueueSize?: number
  /** Of TLS, the connection below. */
  readonly _parent?: Handle | undefined
}

/**
 * Bytes of a connection that the system has taken. To a stream a write waits until all of it has left, so that a client
 * that reads a large answer slowly would look like one that reads nothing. The handle below knows: Node's own timeouts
 * of sockets look at it. Where it does not tell, as on Bun, complete writes are counted.
 */
export const sentBytes = (socket: Socket): number => {
  const handle = (socket as { readonly _handle?: Handle | null })._handle ?? undefined
  const { bytesWritten, writeQueueSize } = handle?._parent ?? handle ?? {}
  return bytesWritten === undefined || writeQueueSize === undefined
    ? socket.bytesWritten - socket.writableLength
    : bytesWritten - writeQueueSize
}
