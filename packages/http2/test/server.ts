import { type AddressInfo, createServer, type Socket } from "node:net"
import { Effect } from "effect"
import type { Handler, Http2Limits, OversizedHandler, StreamHandler } from "../index.ts"
import { http2 } from "../index.ts"
import { wideLimits } from "./limits.ts"

export interface ServerOptions {
  readonly limits?: Partial<Http2Limits> & { readonly connectionsMax?: number }
  readonly onStream?: StreamHandler
  readonly onOversized?: OversizedHandler
  readonly onFault?: (cause: unknown) => void
}

/** A server of this package on a port of its own. When the scope closes it drains: open calls are waited for. */
export const serve = (handler: Handler, options: ServerOptions = {}) =>
  Effect.acquireRelease(
    Effect.callback<{ readonly port: number; readonly url: string; readonly close: Effect.Effect<void> }>((resume) => {
      const sockets = new Set<Socket>()
      const protocol = http2(
        { ...wideLimits, ...options.limits },
        {
          handler: guarded(handler),
          onStream: options.onStream ?? (() => false),
          onOversized: options.onOversized,
          onFault: options.onFault ?? (() => {})
        }
      )
      const server = createServer({ noDelay: true, allowHalfOpen: true }, (socket) => {
        sockets.add(socket)
        socket.on("error", () => {}).once("close", () => sockets.delete(socket))
        protocol.accept(socket)
      })
      if (options.limits?.connectionsMax !== undefined) server.maxConnections = options.limits.connectionsMax
      const close = Effect.callback<void>((closed) => {
        server.close(() => {
          protocol.close()
          closed(Effect.void)
        })
        protocol.drain()
        return Effect.sync(() => {
          for (const socket of sockets) socket.destroy()
        })
      })
      server.listen(0, "127.0.0.1", () => {
        const { port } = server.address() as AddressInfo
        resume(Effect.succeed({ port, url: `http://127.0.0.1:${port}`, close }))
      })
    }),
    ({ close }) => Effect.timeoutOption(Effect.interruptible(close), 30_000)
  )

const guarded =
  (handler: Handler): Handler =>
  (request, response) => {
    try {
      handler(request, response)
    } catch {
      response.statusCode = 500
      response.end()
    }
  }
