import type { AddressInfo } from "node:net"
import { type Handler, http2, type StreamHandler } from "@stategate/http2"
import { Effect, Schema, type Scope } from "effect"
import { type ListenerLimits, listenerLimits } from "../../../application/limits.ts"
import { headOf } from "../http/request-head.ts"
import { Admission } from "./admission.ts"
import type { CommonHeaders } from "./answer.ts"
import { type Certificate, openFront } from "./front.ts"
import { http1 } from "./http1.ts"
import { http2ByNode } from "./http2-node.ts"
import { oversizedStreams, type RefuseOversized, refuseWithoutBody } from "./oversized.ts"
import type { Refusing } from "./unfit.ts"

export type { Certificate, Handler, Refusing, StreamHandler }

export interface ListenerOptions {
  readonly host: string
  /** 0 lets the system choose. */
  readonly port: number
  readonly tls?: Certificate | undefined
  /** How long open calls may go on when the scope closes; what is left then is cut. */
  readonly graceMs: number
  /** Aborted when draining starts and nothing new is accepted: streams end themselves and send their clients elsewhere. */
  readonly draining?: AbortController | undefined
  /** Asked first, for each HTTP/2 stream. */
  readonly onStream?: StreamHandler | undefined
  /** Answers requests whose headers exceed the limits. Unless given, they get 431 without a body. */
  readonly refuseOversized?: RefuseOversized | undefined
  /** Whose HTTP/2: this project's own, unless given, or Node's. */
  readonly http2?: "own" | "node" | undefined
  readonly limits?: Partial<ListenerLimits> | undefined
  /** Headers of every answer to a request whose headers are known. Handlers may replace them. */
  readonly commonHeaders?: CommonHeaders | undefined
  /** Called for each request that is not served; with the answer, where that was the caller's mistake. */
  readonly onRefused?: Refusing["onRefused"] | undefined
}

export interface Listening {
  /** The actual one. */
  readonly port: number
  readonly url: string
}

/** The port is taken, the host is not ours, or the certificate is not one. */
export class ListenFailed extends Schema.TaggedError<ListenFailed>()("ListenFailed", {
  host: Schema.String,
  port: Schema.Number,
  cause: Schema.Defect()
}) {
  override get message(): string {
    const { host, port, cause } = this
    const { code, message } = cause as { readonly code?: string; readonly message?: string }
    if (code?.startsWith("ERR_OSSL")) return `the certificate, its key or the clients' CA cannot be used: ${message}`
    switch (code) {
      case "EADDRINUSE":
        return `port ${port} of ${host} is in use by another process`
      case "EACCES":
        return `port ${port} of ${host} may not be listened on without more privileges`
      case "EADDRNOTAVAIL":
      case "ENOTFOUND":
        return `${host} is no address of this machine`
      default:
        return `cannot listen on port ${port} of ${host}: ${message ?? String(cause)}`
    }
  }
}

const noHeaders: CommonHeaders = () => ({})

/**
 * One TCP port that serves HTTP/1.1 and HTTP/2: distinguished by the first bytes, or with TLS by ALPN.
 * When the scope closes it drains: it stops accepting, says goodbye to its clients, and waits for open calls up to `graceMs`.
 */
export const listen: (
  options: ListenerOptions,
  handler: Handler
) => Effect.Effect<Listening, ListenFailed, Scope.Scope> = Effect.fnUntraced(function* (options, handler) {
  const { host, port } = options
  const log = Effect.runForkWith(yield* Effect.context())
  const limits = { ...listenerLimits, ...options.limits }
  const failed = (cause: unknown) => new ListenFailed({ host, port, cause })

  const commonHeaders = options.commonHeaders ?? noHeaders
  const guarded: Handler = (request, response) => {
    try {
      const common = commonHeaders(headOf(request).header)
      for (const name in common) response.setHeader(name, common[name]!)
      return handler(request, response)
    } catch (cause) {
      // Let through, it would leave an event listener and end the process, with every other call in it.
      log(Effect.logError("a request handler threw", cause))
      if (response.headersSent) return void response.destroy()
      response.statusCode = 500
      response.end()
      return undefined
    }
  }

  const onRefused = options.onRefused ?? (() => {})
  const refuseOversized = options.refuseOversized ?? refuseWithoutBody
  const refuse: RefuseOversized = (request) => {
    const answer = refuseOversized(request)
    return { ...answer, headers: { ...commonHeaders(request.header), ...answer.headers } }
  }
  const admission = new Admission(limits, onRefused)
  const protocols = {
    http1: http1(guarded, limits, { onRefused, refuseOversized: refuse, commonHeaders }),
    http2:
      options.http2 === "node"
        ? http2ByNode(guarded, limits, refuse)
        : http2(limits, {
            handler: guarded,
            onStream: options.onStream ?? (() => false),
            onOversized: oversizedStreams(refuse),
            onFault: (cause) => log(Effect.logError("an HTTP/2 stream could not be served", cause))
          })
  }
  yield* Effect.addFinalizer(() =>
    Effect.sync(() => {
      protocols.http1.close()
      protocols.http2.close()
    })
  )
  const { server, closeUndecided, destroyAll } = yield* Effect.try({
    try: () =>
      openFront(
        options.tls,
        limits,
        (socket) => admission.connect(socket),
        (protocol, socket) => protocols[protocol].accept(socket, admission.of(socket))
      ),
    catch: failed
  })

  const bind = Effect.callback<void, ListenFailed>((resume) => {
    const onError = (cause: Error) => resume(Effect.fail(failed(cause)))
    server.once("error", onError).listen({ host, port }, () => {
      server.off("error", onError)
      // Accepting can fail later as well, when the process is out of file descriptors; the next one may succeed.
      server.on("error", (cause) => log(Effect.logError("could not accept a connection", cause)))
      resume(Effect.void)
    })
  })
  const drained = Effect.callback<void>((resume) => {
    // Its callback waits until the last connection is gone.
    server.close(() => resume(Effect.void))
    closeUndecided()
    protocols.http2.drain()
    protocols.http1.drain()
    options.draining?.abort()
  })
  yield* Effect.acquireRelease(bind, () =>
    Effect.interruptible(drained).pipe(Effect.timeoutOption(options.graceMs), Effect.ensuring(Effect.sync(destroyAll)))
  )

  const actual = (server.address() as AddressInfo).port
  const scheme = options.tls === undefined ? "http" : "https"
  return { port: actual, url: `${scheme}://${host.includes(":") ? `[${host}]` : host}:${actual}` }
})
