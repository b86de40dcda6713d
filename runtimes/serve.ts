import type { IncomingMessage, ServerResponse } from "node:http"
import { Effect } from "effect"
import { Gate } from "../adapters/transport/call/gate.ts"
import type { WireStatus } from "../adapters/transport/call/status.ts"
import { statusJson } from "../adapters/transport/call/status-json.ts"
import { gatewayRpcHandler } from "../adapters/transport/connect/node.ts"
import { grpcHandler } from "../adapters/transport/grpc/grpc.ts"
import { grpcMethods } from "../adapters/transport/grpc/methods.ts"
import { corsHeaders } from "../adapters/transport/http/cors.ts"
import { hostGuard } from "../adapters/transport/http/host.ts"
import { refuseOversized } from "../adapters/transport/http/oversized.ts"
import { callIdOfRequest } from "../adapters/transport/http/request-head.ts"
import { admitTarget } from "../adapters/transport/http/target.ts"
import type { CommonHeaders } from "../adapters/transport/listener/answer.ts"
import { type Handler, listen, type Refusing, type StreamHandler } from "../adapters/transport/listener/listen.ts"
import { healthHandlers } from "../adapters/transport/ops/health.ts"
import { type Probe, probes } from "../adapters/transport/ops/probes.ts"
import { reflectionRoutes } from "../adapters/transport/ops/reflection.ts"
import { homePage } from "../adapters/transport/page/page.ts"
import { restApp } from "../adapters/transport/rest/app.ts"
import { restHandler } from "../adapters/transport/rest/node.ts"
import { inBackground } from "../application/background.ts"
import { Feed } from "../application/feed/feed.ts"
import { Readiness } from "../application/readiness.ts"
import { Telemetry } from "../application/telemetry.ts"
import { file_google_rpc_error_details } from "../proto/gen/google/rpc/error_details_pb.js"
import { Health } from "../proto/gen/grpc/health/v1/health_pb.js"
import { EntityService, EventService } from "../proto/gen/stategate/stategate_pb.js"
import { docs } from "./docs.ts"
import type { Settings } from "./settings.ts"

/**
 * Every protocol on one port. When the scope closes, streams end and send their clients elsewhere, open calls finish, and
 * what is left after the grace is cut.
 */
export const serve = Effect.fnUntraced(function* (settings: Settings) {
  const gate = yield* Gate
  const feed = yield* Feed
  const telemetry = yield* Telemetry
  const corsOrigins = settings.corsOrigins === "*" ? ["*"] : settings.corsOrigins
  const guard = hostGuard({ authDisabled: settings.authDisabled, boundTo: settings.host })
  const { check } = yield* Readiness
  const context = yield* Effect.context<never>()
  const draining = new AbortController()
  const services = [EntityService, EventService]
  const readings = () => Effect.runPromiseWith(context)(check)
  const isReady = async () => (await readings()).ready
  const health = healthHandlers({ services, isReady, draining: draining.signal })
  const reflection = settings.publicDocs
    ? [reflectionRoutes([...services, Health], [file_google_rpc_error_details], draining.signal)]
    : []
  const rpc = gatewayRpcHandler(gate, [health.routes, ...reflection])
  const probe = probes(readings)
  const app = restApp(gate, { corsOrigins })
  const home = yield* Effect.promise(() => homePage({ docs: settings.publicDocs }))
  // The page asks nobody for a token, so it is of use only where none is needed.
  if (settings.authDisabled) app.get("/", home)
  if (settings.publicDocs) {
    for (const [path, answer] of Object.entries(docs(settings))) app.get(path, (c) => answer(c.req.raw))
  }
  const rest = restHandler(app, gate)

  const refuse = (request: IncomingMessage, response: ServerResponse, what: string, refusal: WireStatus) => {
    const callId = callIdOfRequest(request)
    gate.refused(what, { protocol: "http", callId }, refusal)
    response.statusCode = refusal.http
    response.setHeader("x-request-id", callId)
    response.setHeader("content-type", "application/json")
    response.end(JSON.stringify(statusJson(refusal)))
  }

  const handler: Handler = (request, response) => {
    const problem = admitTarget(request)
    if (problem !== undefined) return refuse(request, response, "unreadable target", problem)
    const foreign = guard(request.headers.host)
    if (foreign !== undefined) return refuse(request, response, "foreign host", foreign)
    if (request.method !== "OPTIONS" && rpc.serves(request)) return rpc.serve(request, response)
    const asked = request.method === "GET" || request.method === "HEAD" ? probe.get(request.url ?? "") : undefined
    if (asked === undefined) return rest(request, response)
    response.setHeader("x-request-id", callIdOfRequest(request))
    return asked().then((answer) => send(response, answer))
  }

  const grpc = grpcHandler(new Map([...grpcMethods(gate), ...health.methods]))
  const onStream: StreamHandler = (stream) => guard(stream.head.headers[":authority"]) === undefined && grpc(stream)

  // Not in the scope, which is closing by then.
  draining.signal.addEventListener("abort", () => Effect.runForkWith(context)(inBackground("drain", feed.drain)))
  const { host, port, tls, http2, shutdownGraceMs: graceMs } = settings
  const oversized = refuseOversized(gate, { isRpc: (path) => rpc.servesPath(path) })
  const onRefused: Refusing["onRefused"] = (reason, answer) => {
    telemetry.recordRefusal(reason)
    if (answer !== undefined) gate.refused(reason, { protocol: "http", callId: answer.callId }, answer)
  }
  const commonHeaders: CommonHeaders = (header) => corsHeaders(header("origin"), corsOrigins)
  const listening = listen(
    { host, port, http2, tls, graceMs, draining, onStream, refuseOversized: oversized, commonHeaders, onRefused },
    handler
  )
  return yield* Effect.mapError(listening, (failed) => {
    const variable = changeable[(failed.cause as { readonly code?: string }).code ?? ""]
    return variable === undefined ? failed : new Error(`${failed.message}; set ${variable}`, { cause: failed })
  })
})

/** What an operator can set where the port cannot be listened on. */
const changeable: Readonly<Record<string, string>> = {
  EADDRINUSE: "STATEGATE_PORT to another one",
  EACCES: "STATEGATE_PORT to another one",
  EADDRNOTAVAIL: "STATEGATE_HOST to one that is",
  ENOTFOUND: "STATEGATE_HOST to one that is"
}

const send = (response: ServerResponse, { status, type, body }: Probe): void => {
  response.statusCode = status
  response.setHeader("content-type", type)
  response.setHeader("cache-control", "no-store")
  response.end(body)
}
