import type { DescMethodUnary } from "@bufbuild/protobuf"
import { Code, ConnectError, type ConnectRouter, type HandlerContext } from "@connectrpc/connect"
import type { JsonObject } from "../../../domain/json.ts"
import { EventService } from "../../../proto/gen/stategate/stategate_pb.js"
import { CallFailed, callIdOf, type FaceCall, type Gate } from "./gate.ts"
import { unaryMethods } from "./methods.ts"
import type { StreamItem } from "./pipeline.ts"
import type { WireStatus } from "./status.ts"

/** gRPC, gRPC-web and Connect: each call enters the pipeline, and its outcome is told in the protocol's own words. */
export const routes = (gate: Gate["Service"]) => (router: ConnectRouter) => {
  for (const method of unaryMethods) {
    router.rpc(method.desc as DescMethodUnary, async (message, context) => {
      const call = callOf(context)
      try {
        const reply = await gate.unary(method, call, message)
        for (const [name, value] of Object.entries(reply.headers)) context.responseHeader.set(name, value)
        return reply.message
      } catch (error) {
        throw errorOf(error)
      }
    })
  }
  router.rpc(EventService.method.stream, (message, context) => {
    const call = callOf(context)
    return flushed(context, gate.stream(call, message))
  })
}

/** The events of a stream. Its headers are out before the first event, however long that one takes. */
async function* flushed(context: HandlerContext, opening: ReturnType<Gate["Service"]["stream"]>) {
  try {
    const stream = await opening
    for (const [name, value] of Object.entries(stream.headers)) context.responseHeader.set(name, value)
    for await (const { message } of stream as AsyncIterable<StreamItem>) yield message
  } catch (error) {
    throw errorOf(error)
  }
}

const callOf = (context: HandlerContext): FaceCall => {
  const headers = context.requestHeader
  const callId = callIdOf(headers.get("x-request-id") ?? undefined)
  context.responseHeader.set("x-request-id", callId)
  const timeoutMs = context.timeoutMs()
  return {
    protocol: context.protocolName,
    callId,
    header: (name) => headers.get(name) ?? undefined,
    headers: () => Object.fromEntries(headers) as JsonObject,
    signal: context.signal,
    ...(timeoutMs === undefined ? {} : { timeoutMs: Math.max(0, timeoutMs) })
  }
}

const errorOf = (error: unknown): ConnectError => {
  if (error instanceof CallFailed) return connectError(error.status)
  return new ConnectError("internal error", Code.Internal)
}

export const connectError = ({ code, message, details, headers }: WireStatus): ConnectError =>
  new ConnectError(
    message,
    code,
    headers,
    details.map(({ desc, value }) => ({ desc, value }))
  )
