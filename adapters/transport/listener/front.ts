import { createServer, type Server, type Socket } from "node:net"
import { createServer as createTlsServer } from "node:tls"
import type { ListenerLimits } from "../../../application/limits.ts"
import { type Protocol, readFirstBytes } from "./first-bytes.ts"

/** PEM. With `clientCa`, only clients with a certificate that it signed get in. */
export interface Certificate {
  readonly cert: string | Buffer
  readonly key: string | Buffer
  readonly clientCa?: string | Buffer | undefined
}

export interface Front {
  readonly server: Server
  /** Closes the connections that have not said yet which protocol they speak: nothing was asked on them. */
  readonly closeUndecided: () => void
  readonly destroyAll: () => void
}

/**
 * What accepts connections: it finds the protocol of each and hands it on. `connect` says whether a connection is taken, by
 * what is to be called once it has closed. Throws when the certificate cannot be used.
 */
export const openFront = (
  certificate: Certificate | undefined,
  limits: ListenerLimits,
  connect: (socket: Socket) => (() => void) | undefined,
  accept: (protocol: Protocol, socket: Socket) => void
): Front => {
  const sockets = new Set<Socket>()
  /** By their peers, since with TLS it is another socket that is decided, above the one that was accepted. */
  const undecided = new Map<string, Socket>()

  const track = (socket: Socket, onClose = () => {}) => {
    // On Bun, a TLS connection has one socket for both layers. With few listeners of ours there is room for the runtime's:
    // from the eleventh on it warns.
    if (sockets.has(socket)) return
    sockets.add(socket)
    socket.once("close", () => {
      sockets.delete(socket)
      onClose()
    })
    // Peers vanish at any moment. What was going on hears of it as a close; unheard, an error would end the process.
    socket.on("error", () => {})
  }
  const accepted = (socket: Socket) => {
    const disconnect = connect(socket)
    if (disconnect === undefined) {
      socket.destroy()
      return
    }
    const peer = peerOf(socket)
    undecided.set(peer, socket)
    track(socket, () => {
      if (undecided.get(peer) === socket) undecided.delete(peer)
      disconnect()
    })
  }
  const decide = (protocol: Protocol, socket: Socket) => {
    undecided.delete(peerOf(socket))
    accept(protocol, socket)
  }

  // Half-open: a client may say that nothing more comes, and still wait for its answer.
  const tcp = { allowHalfOpen: true, noDelay: true, keepAlive: true, keepAliveInitialDelay: limits.tcpProbeAfterMs }
  const server =
    certificate === undefined
      ? createServer(tcp, (socket) => {
          if (socket.destroyed) return
          readFirstBytes(socket, limits.firstBytesMsMax, (protocol) => decide(protocol, socket))
        })
      : createTlsServer(
          {
            ...tcp,
            cert: certificate.cert,
            key: certificate.key,
            ...(certificate.clientCa === undefined
              ? {}
              : { ca: certificate.clientCa, requestCert: true, rejectUnauthorized: true }),
            minVersion: "TLSv1.2",
            ALPNProtocols: ["h2", "http/1.1"],
            handshakeTimeout: limits.handshakeMsMax
          },
          (socket) => {
            track(socket)
            decide(socket.alpnProtocol === "h2" ? "http2" : "http1", socket)
          }
        )
  // With TLS this is the socket below: it stands for the handshake, and goes when the one above goes.
  server.prependListener("connection", accepted)
  server.on("tlsClientError", (_: Error, socket: Socket) => socket.destroy())
  server.maxConnections = limits.connectionsMax

  const destroy = (some: Iterable<Socket>) => {
    for (const socket of some) socket.destroy()
  }
  return {
    server,
    closeUndecided: () => destroy(undecided.values()),
    destroyAll: () => destroy(sockets)
  }
}

const peerOf = ({ remoteAddress, remotePort }: Socket): string => `${remoteAddress} ${remotePort}`
