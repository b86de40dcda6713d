import type { IncomingMessage, ServerResponse } from "node:http"
import type { Http2ServerRequest, Http2ServerResponse } from "node:http2"
import type { UniversalHandler, UniversalServerResponse } from "@connectrpc/connect/protocol"
import { universalRequestFromNodeRequest } from "@connectrpc/connect-node"
import { invalid } from "../../../domain/rejection.ts"
import { rpcHandlers, withProgress } from "./connect.ts"
import { callIdOf, type Gate } from "./gate.ts"
import type { GrpcMethod } from "./grpc.ts"
import { unaryMethods } from "./methods.ts"
import { statusOf } from "./status.ts"
import { asInvalid } from "./unreadable.ts"

type Request = IncomingMessage | Http2ServerRequest
type Response = ServerResponse | Http2ServerResponse

const unreadable = statusOf(invalid({ field: "message", rule: "cannot be read" }))

export interface RpcFace {
  /** Whether the path is that of an RPC. */
  readonly serves: (request: Request) => boolean
  readonly serve: (request: Request, response: Response) => void
}

/**
 * The RPC protocols on Node's HTTP/1.1 and HTTP/2 servers. Differs from connect-node's own adapter in two things: the
 * headers of a stream go out as soon as it is open, and a message that cannot be read is the caller's mistake.
 */
export const rpcFace = (gate: Gate["Service"]): RpcFace => {
  const handlers = rpcHandlers(gate)
  const pathOf = (request: Request) => request.url?.split("?", 1)[0] ?? ""
  return {
    serves: (request) => handlers.has(pathOf(request)),
    serve: (request, response) => {
      const path = pathOf(request)
      serve(gate, path, handlers.get(path)!, request, response).catch(() => response.destroy())
    }
  }
}

/** The unary calls, for the face that serves most of them. */
export const grpcMethods = (gate: Gate["Service"]): ReadonlyMap<string, GrpcMethod> =>
  new Map(
    unaryMethods.map((method) => [
      method.path,
      {
        input: method.desc.input,
        output: method.desc.output,
        begin: (call, message, done) =>
          gate.begin(method, { ...call, protocol: "grpc" }, message, (outcome) =>
            done("http" in outcome ? { status: outcome } : outcome)
          ),
        refused: ({ callId }, status) => gate.refused(method.path, { protocol: "grpc", callId }, status)
      }
    ])
  )

const serve = async (
  gate: Gate["Service"],
  path: string,
  handler: UniversalHandler,
  request: Request,
  response: Response
): Promise<void> => {
  const given = request.headers["x-request-id"]
  const callId = callIdOf(typeof given === "string" ? given : undefined)
  const { promise: opened, resolve } = Promise.withResolvers<void>()
  const progress = { callId, begun: false, onHeaders: resolve }
  const universal = universalRequestFromNodeRequest(request, response, undefined, withProgress(progress))
  const answer = await handler(universal)
  const body = answer.body?.[Symbol.asyncIterator]()
  try {
    const first = body?.next()
    await Promise.race([opened, first])
    // Asked for only now: a body that fails at once has its status in the trailers, which are filled by then.
    if (!progress.begun) {
      gate.refused(path, { protocol: handler.protocolNames[0] ?? "rpc", callId }, unreadable)
      return await write(response, callId, await asInvalid(answer, await first, body))
    }
    writeHead(response, callId, answer)
    // Both classes have it; the types of one do not say so.
    ;(response as ServerResponse).flushHeaders()
    for (let chunk = await first; chunk !== undefined && chunk.done !== true; chunk = await body?.next()) {
      await writeChunk(response, chunk.value)
    }
    end(response, answer)
  } finally {
    // Ends what nobody reads any more; a stream's place in the feed goes with it.
    body?.return?.().catch(() => {})
  }
}

const write = async (response: Response, callId: string, answer: UniversalServerResponse): Promise<void> => {
  writeHead(response, callId, answer)
  for await (const chunk of answer.body ?? []) await writeChunk(response, chunk)
  end(response, answer)
}

const writeHead = (response: Response, callId: string, answer: UniversalServerResponse): void => {
  answer.header?.set("x-request-id", callId)
  response.statusCode = answer.status
  answer.header?.forEach((value, name) => {
    response.setHeader(name, value)
  })
}

const end = (response: Response, answer: UniversalServerResponse): void => {
  if (answer.trailer !== undefined) {
    const trailers: Record<string, string> = {}
    answer.trailer.forEach((value, name) => {
      trailers[name] = value
    })
    response.addTrailers(trailers)
  }
  response.end()
}

/** Waits while the client does not read: nothing piles up here for a slow one. */
const writeChunk = (response: Response, chunk: Uint8Array): Promise<void> | undefined => {
  // The two classes have the same method under types that do not meet.
  if ((response as ServerResponse).write(chunk)) return undefined
  return new Promise((resolve, reject) => {
    const settle = (act: () => void) => () => {
      response.off("drain", onDrain).off("close", onClose).off("error", onClose)
      act()
    }
    const onDrain = settle(resolve)
    const onClose = settle(() => reject(new Error("the client has gone")))
    response.on("drain", onDrain).on("close", onClose).on("error", onClose)
  })
}
