import type { IncomingMessage, ServerResponse } from "node:http"
import { Code, type ConnectRouterOptions, type ContextValues } from "@connectrpc/connect"
import type { UniversalHandler, UniversalServerRequest, UniversalServerResponse } from "@connectrpc/connect/protocol"
import { listenerLimits, requestBytesMax } from "../../../application/limits.ts"
import { dropFarDeadline } from "../call/deadline.ts"
import type { Gate } from "../call/gate.ts"
import { markEndless } from "../http/endless.ts"
import { isUtf8, parseMediaType } from "../http/media-type.ts"
import { callIdOfRequest } from "../http/request-head.ts"
import { compressions } from "./compression.ts"
import { checkedRequest, checkQuery, gone } from "./incoming.ts"
import { gatewayGate, gatewayRoutes, type Progress, type Routes, rpcHandlers, withProgress } from "./routes.ts"
import { asInvalid, countedCode, type Refusal } from "./unreadable.ts"
import { fromText, textType, toText, webTextOf } from "./web-text.ts"

export interface RpcHandler {
  /** Whether the path is that of an RPC. */
  readonly serves: (request: IncomingMessage) => boolean
  readonly servesPath: (path: string) => boolean
  /** Settles when the work is over. */
  readonly serve: (request: IncomingMessage, response: ServerResponse) => Promise<void>
}

type Head = Pick<UniversalServerResponse, "status" | "header">

/** A call that did not reach its method. */
export interface RefusedCall {
  readonly protocol: string
  readonly callId: string
  readonly since: number
}

/** Records such a call and its code. A cause is what went wrong in the gateway, if anything did. */
type Refused = (path: string, call: RefusedCall, code: Code, cause?: unknown, reason?: string) => void

/**
 * The RPC protocols on Node's HTTP/1.1 and HTTP/2 servers. Differs from connect-node's own adapter in these: the headers
 * of a stream go out as soon as it is open, a message that cannot be read is the caller's mistake, what a message costs
 * to decode is bounded, and gRPC-web may come as text.
 */
export const nodeRpcHandler = (
  routes: ReadonlyArray<Routes>,
  refused: Refused = () => {},
  options: ConnectRouterOptions = {}
): RpcHandler => {
  const { readMaxBytes = requestBytesMax, requestGate } = options
  const handlers = rpcHandlers(routes, {
    acceptCompression: [...compressions],
    ...options,
    requestGate: async (context) => {
      await requestGate?.(context)
      if (context.requestMethod !== "GET") return
      await checkQuery(context.url, context.method.input, compressions, readMaxBytes)
    }
  })
  const pathOf = (request: IncomingMessage) => request.url?.split("?", 1)[0] ?? ""
  return {
    servesPath: (path) => handlers.has(path),
    serves: (request) => handlers.has(pathOf(request)),
    serve: async (request, response) => {
      const path = pathOf(request)
      const callId = callIdOfRequest(request)
      const call = { protocol: protocolOf(request.headers["content-type"]), callId, since: performance.now() }
      const record = (code: Code, cause?: unknown, reason?: string) => refused(path, call, code, cause, reason)
      await serve(record, callId, readMaxBytes, handlers.get(path)!, request, response).catch((cause) => {
        if (cause !== gone && !response.destroyed) record(Code.Internal, cause)
        response.destroy()
      })
    }
  }
}

/** The services of the gateway, and others beside them. */
export const gatewayRpcHandler = (gate: Gate["Service"], others: ReadonlyArray<Routes> = []): RpcHandler =>
  nodeRpcHandler(
    [gatewayRoutes(gate), ...others],
    (path, call, code, cause, reason) =>
      gate.refused(path, call, reason === undefined ? { code } : { code, reason }, cause),
    { requestGate: gatewayGate(gate) }
  )

const protocolOf = (type = ""): string =>
  type.startsWith("application/grpc-web") ? "grpc-web" : type.startsWith("application/grpc") ? "grpc" : "connect"

const serve = async (
  refused: (code: Code, cause?: unknown, reason?: string) => void,
  callId: string,
  bytesMax: number,
  handler: UniversalHandler,
  request: IncomingMessage,
  response: ServerResponse
): Promise<void> => {
  let isOpen = false
  const open = (answer: Head) => {
    isOpen = true
    if (handler.method.methodKind === "server_streaming") markEndless(response)
    writeHead(response, callId, answer, isText)
    response.flushHeaders()
  }
  const progress: Progress = { callId, begun: false, onHeaders: (header: Headers) => open({ status: 200, header }) }
  const { universal, isText } = universalRequest(request, response, withProgress(progress))
  dropFarDeadline(universal.header)
  const hasBody = universal.method !== "GET"
  // Comes with the first bytes of the body, and not before.
  const answer = await handler(
    hasBody ? checkedRequest(universal, handler.method.input, compressions, bytesMax) : universal
  )
  const body = answer.body?.[Symbol.asyncIterator]()
  try {
    const first = await body?.next()
    // Asked for only now: a body that fails at once has its status in the trailers, which are filled by then.
    if (!progress.begun) {
      const refusal = await asInvalid(answer, first, body)
      refused(universal.signal.aborted ? Code.Canceled : countedCode(refusal), progress.cause, progress.reason)
      await unread(request)
      return refuse(response, callId, refusal, isText)
    }
    if (handler.method.methodKind === "unary") {
      const chunks = await collected(first, body)
      writeHead(response, callId, answer, isText)
      addTrailers(response, answer.trailer)
      // All at once: what is written in parts leaves in parts.
      const whole = chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks)
      return void response.end(isText ? toText(whole) : whole)
    }
    if (!isOpen) open(answer)
    for (let chunk = first; chunk !== undefined && chunk.done !== true; chunk = await body?.next()) {
      await writeChunk(response, isText ? toText(chunk.value) : chunk.value)
    }
    addTrailers(response, answer.trailer)
    response.end()
  } finally {
    // Ends what nobody reads any more; a stream's place in the feed goes with it.
    body?.return?.().catch(() => {})
  }
}

interface Incoming {
  readonly universal: UniversalServerRequest
  /** Whether the answer goes out as base64. */
  readonly isText: boolean
}

const universalRequest = (
  request: IncomingMessage,
  response: ServerResponse,
  contextValues: ContextValues
): Incoming => {
  const left = new AbortController()
  response.once("close", () => {
    // After an answer nobody listens any more, and telling them all the same would cost more than the call.
    if (!response.writableFinished) left.abort(gone)
  })
  const header = new Headers()
  for (const [name, value] of Object.entries(request.headers)) {
    for (const one of typeof value === "object" ? value : [value]) if (one !== undefined) header.append(name, one)
  }
  // Node keeps the first of two; both have to be seen, to be refused.
  const credentials = request.rawHeaders.filter(
    (_, i, all) => i % 2 === 1 && all[i - 1]!.toLowerCase() === "authorization"
  )
  if (credentials.length > 1) header.set("authorization", credentials.join(", "))
  const type = parseMediaType(header.get("content-type") ?? "")
  const web = type === undefined ? undefined : webTextOf(type, request.headers.accept)
  if (type !== undefined && isUtf8(type)) header.set("content-type", web?.requestType ?? type.essence)
  const universal = {
    httpVersion: request.httpVersion,
    method: request.method ?? "",
    // Handlers look at its query alone.
    url: `http://localhost${request.url}`,
    header,
    body: web?.requestType === undefined ? request : fromText(request),
    signal: left.signal,
    contextValues
  }
  return { universal, isText: web?.isAnswerText ?? false }
}

/** The chunks of an answer that is short: those of unary calls are bounded. */
const collected = async (
  first: IteratorResult<Uint8Array> | undefined,
  body: AsyncIterator<Uint8Array> | undefined
): Promise<ReadonlyArray<Uint8Array>> => {
  const chunks: Array<Uint8Array> = []
  for (let chunk = first; chunk !== undefined && chunk.done !== true; chunk = await body?.next()) {
    chunks.push(chunk.value)
  }
  return chunks
}

const refuse = (response: ServerResponse, callId: string, { body, ...answer }: Refusal, isText: boolean): void => {
  const isAllHeaders = body.length === 0
  // gRPC has a form for an answer that is nothing but a status.
  if (isAllHeaders) answer.trailer?.forEach((value, name) => void answer.header?.set(name, value))
  writeHead(response, callId, answer, isText)
  if (isAllHeaders) return void response.end()
  addTrailers(response, answer.trailer)
  response.end(isText ? toText(body) : body)
}

/**
 * Waits, not for ever, until the client of an HTTP/2 request has sent what it wants to send. Some stop in the middle when
 * they see the headers of an answer, and then hear of their own broken request before they hear the rest of it.
 */
const unread = async (request: IncomingMessage): Promise<void> => {
  if (request.httpVersionMajor < 2 || request.readableEnded || request.destroyed) return
  const { promise, resolve } = Promise.withResolvers<void>()
  const timer = setTimeout(resolve, listenerLimits.unreadLingerMs)
  request.on("end", resolve).on("close", resolve).resume()
  await promise
  clearTimeout(timer)
}

const writeHead = (response: ServerResponse, callId: string, answer: Head, isText: boolean): void => {
  response.setHeader("x-request-id", callId)
  const type = answer.header?.get("content-type")
  if (isText && typeof type === "string") answer.header?.set("content-type", textType(type))
  response.statusCode = answer.status
  answer.header?.forEach((value, name) => {
    response.setHeader(name, value)
  })
}

const addTrailers = (response: ServerResponse, trailer: Headers | undefined): void => {
  if (trailer !== undefined) response.addTrailers(Object.fromEntries(trailer))
}

/** Waits while the client does not read: nothing piles up here for a slow one. */
const writeChunk = (response: ServerResponse, chunk: Uint8Array): Promise<void> | undefined => {
  // One that is closed already says so no more.
  if (response.destroyed) throw gone
  if (response.write(chunk)) return undefined
  return new Promise((resolve, reject) => {
    const settle = (act: () => void) => () => {
      response.off("drain", onDrain).off("close", onClose).off("error", onClose)
      act()
    }
    const onDrain = settle(resolve)
    const onClose = settle(() => reject(gone))
    response.on("drain", onDrain).on("close", onClose).on("error", onClose)
  })
}
