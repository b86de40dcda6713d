import type { IncomingMessage, ServerResponse } from "node:http"
import { Code } from "@connectrpc/connect"
import { getRequestListener } from "@hono/node-server"
import type { Hono } from "hono"
import { callIdOf, type Gate } from "../rpc/gate.ts"
import { isHost } from "../rpc/host.ts"
import { internal, type WireStatus } from "../rpc/status.ts"
import { failureAnswer } from "./answer.ts"
import type { RestEnv } from "./app.ts"
import { originForm, targetProblem } from "./target.ts"

const badRequest = (message: string): WireStatus => ({
  code: Code.InvalidArgument,
  http: 400,
  message,
  details: [],
  headers: {}
})

const noHost = badRequest("the Host header must be a host, and a port up to 65535 if it needs one")

/**
 * Puts the target of a request into origin form, and its authority, if it has one, in the place of the Host header, as
 * RFC 9112 asks. The status says why a target or a Host is refused, before anything is looked up by them.
 */
export const admitTarget = (request: IncomingMessage): WireStatus | undefined => {
  const absolute = originForm(request.url ?? "")
  if (absolute !== undefined) {
    request.url = absolute.target
    request.headers.host = absolute.authority
  }
  const { host } = request.headers
  if (host !== undefined && !isHost(host)) return noHost
  if (request.method === "OPTIONS" && request.url === "*") return undefined
  const problem = targetProblem(request.url ?? "")
  return problem === undefined ? undefined : badRequest(problem)
}

/** REST on Node's HTTP/1.1 and HTTP/2 servers, for requests whose target was admitted. */
export const restFace = (app: Hono<RestEnv>, gate: Gate["Service"]) => {
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
      const given = request.headers["x-request-id"]
      response.setHeader("x-request-id", callIdOf(typeof given === "string" ? given : undefined))
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
