import type { Socket } from "node:net"

interface Handle {
  readonly bytesWritten?: number
  readonly writeQueueSize?: number
  /** Of TLS, the connection below. */
  readonly _parent?: Handle | undefined
}

/**
 * Bytes of a connection that the operating system has taken. A stream's own counters change only when a whole write is
 * done, so a client that reads a large answer slowly would look stalled. Node's handle has the exact number, which Node's
 * socket timeouts use too. Bun's has none; there only complete writes count.
 */
export const sentBytes = (socket: Socket): number => {
  const handle = (socket as { readonly _handle?: Handle | null })._handle ?? undefined
  const { bytesWritten, writeQueueSize } = handle?._parent ?? handle ?? {}
  return bytesWritten === undefined || writeQueueSize === undefined
    ? socket.bytesWritten - socket.writableLength
    : bytesWritten - writeQueueSize
}
