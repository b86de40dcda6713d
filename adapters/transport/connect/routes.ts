import type { DescMethodUnary } from "@bufbuild/protobuf"
import {
  Code,
  ConnectError,
  type ConnectRouter,
  type ConnectRouterOptions,
  createConnectRouter,
  createContextKey,
  createContextValues,
  type HandlerContext
} from "@connectrpc/connect"
import type { UniversalHandler } from "@connectrpc/connect/protocol"
import { pageBytesMax, requestBytesMax } from "../../../application/limits.ts"
import type { Principal } from "../../../application/ports/Authenticator.ts"
import type { JsonObject } from "../../../domain/json.ts"
import { EventService } from "../../../proto/gen/stategate/stategate_pb.js"
import { callIdOf } from "../call/call-id.ts"
import { type AbortableCall, CallFailed, type Gate } from "../call/gate.ts"
import { streamMessage } from "../call/messages.ts"
import { unaryMethods } from "../call/methods.ts"
import { streamPath } from "../call/pipeline.ts"
import type { WireStatus } from "../call/status.ts"
import { recursionLimit } from "../call/wire-scan.ts"

/** What a call tells the adapter that carries it, while it is served. */
export interface Progress {
  readonly callId: string
  /** The message could be read, and the call has begun. */
  begun: boolean
  /** Why the caller could not be authenticated, if that was not the caller's fault. */
  cause?: unknown
  /** The same where it was, for the log alone. */
  reason?: string | undefined
  /** The headers are complete; a stream may be silent for long after. */
  readonly onHeaders: (headers: Headers) => void
}

const progressKey = createContextKey<Progress | undefined>(undefined)

export const withProgress = (progress: Progress) => createContextValues().set(progressKey, progress)

const principalKey = createContextKey<Principal | undefined>(undefined)

// Pages are worth compressing where the client accepts it. Single events are not: that would cost more than the rest of the call.
const compressMinBytes = 64 * 1024

/** Services of one kind, as a router takes them. */
export type Routes = (router: ConnectRouter) => void

/** gRPC, gRPC-web and Connect for any services, by the path of the call. */
export const rpcHandlers = (
  routes: ReadonlyArray<Routes>,
  options: ConnectRouterOptions = {}
): ReadonlyMap<string, UniversalHandler> => {
  const router = createConnectRouter({
    readMaxBytes: requestBytesMax,
    // A page may fill its bound, and more goes around it.
    writeMaxBytes: pageBytesMax + requestBytesMax,
    compressMinBytes,
    // Kept, they would only take memory.
    binaryOptions: { recursionLimit, readUnknownFields: false },
    // A misspelt precondition must not be taken for none.
    jsonOptions: { recursionLimit, ignoreUnknownFields: false },
    ...options
  })
  for (const add of routes) add(router)
  return new Map(router.handlers.map((handler) => [handler.requestPath, handler]))
}

/** The services of the gateway: each call enters the pipeline, and its outcome goes out in the form of its protocol. */
export const gatewayRoutes =
  (gate: Gate["Service"]): Routes =>
  (router) => {
    for (const method of unaryMethods) {
      router.rpc(method.desc as DescMethodUnary, async (message, context) => {
        const call = begin(context)
        try {
          const reply = await gate.unary(method, call, message)
          for (const [name, value] of Object.entries(reply.headers)) context.responseHeader.set(name, value)
          return reply.message
        } catch (error) {
          throw errorOf(error)
        }
      })
    }
    router.rpc(EventService.method.stream, async function* (message, context) {
      const call = begin(context)
      try {
        const stream = await gate.stream(call, message)
        for (const [name, value] of Object.entries(stream.headers)) context.responseHeader.set(name, value)
        context.values.get(progressKey)?.onHeaders(context.responseHeader)
        for await (const items of stream) for (const item of items) yield streamMessage(item)
      } catch (error) {
        // The caller's deadline aborts a stream as a caller that has gone does; the answer names the deadline.
        throw context.signal.reason instanceof ConnectError ? context.signal.reason : errorOf(error)
      }
    })
  }

const served: ReadonlySet<string> = new Set([...unaryMethods.map(({ path }) => path), streamPath])

/** Authenticates callers of the gateway's services before anything of the message is read. */
export const gatewayGate =
  (gate: Gate["Service"]): NonNullable<ConnectRouterOptions["requestGate"]> =>
  async (context) => {
    if (!served.has(`/${context.service.typeName}/${context.method.name}`)) return
    const headers = context.requestHeader
    try {
      context.values.set(
        principalKey,
        await gate.authenticate((name) => headers.get(name) ?? undefined, context.signal)
      )
    } catch (error) {
      const progress = context.values.get(progressKey)
      if (progress !== undefined && error instanceof CallFailed) {
        progress.cause = error.cause
        progress.reason = error.status.reason
      }
      throw errorOf(error)
    }
  }

/** Says that the message was read: what fails from now on is the call's own failure. Every handler begins with it. */
export const begun = (context: HandlerContext): Progress | undefined => {
  const progress = context.values.get(progressKey)
  if (progress !== undefined) progress.begun = true
  return progress
}

const begin = (context: HandlerContext): AbortableCall => {
  const headers = context.requestHeader
  const progress = begun(context)
  const callId = progress?.callId ?? callIdOf(headers.get("x-request-id") ?? undefined)
  const timeoutMs = context.timeoutMs()
  return {
    protocol: context.protocolName,
    callId,
    header: (name) => headers.get(name) ?? undefined,
    headers: () => Object.fromEntries(headers) as JsonObject,
    signal: context.signal,
    principal: context.values.get(principalKey),
    ...(timeoutMs === undefined ? {} : { timeoutMs: Math.max(0, timeoutMs) })
  }
}

const errorOf = (error: unknown): ConnectError =>
  error instanceof CallFailed ? connectError(error.status) : new ConnectError("internal error", Code.Internal)

export const connectError = ({ code, message, details, headers }: WireStatus): ConnectError =>
  new ConnectError(
    message,
    code,
    headers,
    details.map(({ desc, value }) => ({ desc, value }))
  )
