import type { IncomingMessage, ServerResponse } from "node:http"
import { getRequestListener } from "@hono/node-server"
import type { Hono } from "hono"
import { callIdOf } from "../call/call-id.ts"
import type { Gate } from "../call/gate.ts"
import { internal } from "../call/status.ts"
import { callIdOfRequest } from "../http/request-head.ts"
import { failureAnswer } from "./answer.ts"
import type { RestEnv } from "./app.ts"

/** REST on Node's HTTP/1.1 and HTTP/2 servers, for requests whose target was admitted. */
export const restHandler = (app: Hono<RestEnv>, gate: Gate["Service"]) => {
  const listener = getRequestListener((request, env) => app.fetch(request, env as unknown as RestEnv["Bindings"]), {
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
