import type { IncomingMessage, ServerResponse } from "node:http"
import { getRequestListener } from "@hono/node-server"
import { RESPONSE_ALREADY_SENT } from "@hono/node-server/utils/response"
import type { Hono } from "hono"
import { callIdOf } from "../call/call-id.ts"
import type { Gate } from "../call/gate.ts"
import { internal } from "../call/status.ts"
import { isEndless } from "../http/endless.ts"
import { callIdOfRequest } from "../http/request-head.ts"
import { writeEndless } from "../sse/write.ts"
import { failureAnswer } from "./answer.ts"
import type { RestEnv } from "./app.ts"

/** REST on Node's HTTP/1.1 and HTTP/2 servers, for requests whose target was admitted. */
export const restHandler = (app: Hono<RestEnv>, gate: Gate["Service"]) => {
  const serve = async (request: Request, env: RestEnv["Bindings"]): Promise<Response> => {
    const answer = await app.fetch(request, env)
    const { outgoing } = env
    if (outgoing === undefined || !isEndless(outgoing)) return answer
    writeEndless(answer, outgoing)
    return RESPONSE_ALREADY_SENT
  }
  const listener = getRequestListener((request, env) => serve(request, env as unknown as RestEnv["Bindings"]), {
    overrideGlobalObjects: false,
    errorHandler: (error) => {
      const callId = callIdOf(undefined)
      gate.refused("unmatched", { protocol: "rest", callId }, internal, error)
      const answer = failureAnswer(internal, new Headers())
      answer.headers.set("x-request-id", callId)
      return answer
    }
  })
  return (request: IncomingMessage, response: ServerResponse): void | Promise<void> => {
    if (request.url === "*") {
      // Asked of the server as a whole, and of no path.
      response.setHeader("x-request-id", callIdOfRequest(request))
      response.setHeader("allow", "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS")
      response.statusCode = 204
      response.end()
      return
    }
    // The platform makes a URL of it, and has opinions of its own about hosts. Nothing looks at that: routes go by the
    // target as it was sent, and policies see the headers as they were sent.
    request.headers.host = "localhost"
    return listener(request, response)
  }
}
