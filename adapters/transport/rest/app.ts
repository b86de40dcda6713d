import type { ServerResponse } from "node:http"
import { Code } from "@connectrpc/connect"
import { type Context, Hono } from "hono"
import type { JsonObject } from "../../../domain/json.ts"
import { invalid } from "../../../domain/rejection.ts"
import { EntityService, EventService, type StreamOpts } from "../../../proto/gen/stategate/stategate_pb.js"
import { callIdOf } from "../call/call-id.ts"
import { Checks } from "../call/checks.ts"
import { type AbortableCall, CallFailed, type Gate } from "../call/gate.ts"
import type { Method } from "../call/methods.ts"
import { canceled, internal, statusOf, type WireStatus } from "../call/status.ts"
import { corsHeaders, isPreflight } from "../http/cors.ts"
import { markEndless } from "../http/endless.ts"
import { partsOf, targetOfUrl } from "../http/target.ts"
import { framingFor } from "../sse/framing.ts"
import { streamBody } from "../sse/streaming.ts"
import { changeAnswer, failureAnswer, readAnswer } from "./answer.ts"
import { messageOf } from "./bind.ts"
import { readBody, refuseBody } from "./body.ts"
import { type Route, routesOf } from "./routes.ts"

interface Incoming {
  /** The target as it was sent. */
  readonly url?: string | undefined
  readonly destroyed?: boolean
  readonly complete?: boolean
}

export type RestEnv = {
  Variables: { readonly callId: string }
  /** What came in, where a server of Node is in front. */
  Bindings: { readonly incoming?: Incoming; readonly outgoing?: ServerResponse }
}

export interface RestSettings {
  /** Origins whose pages may read answers; `*` is any, and none is the default. */
  readonly corsOrigins?: ReadonlyArray<string>
}

/** In the log, in place of a method: the path is the caller's text, and there is no end to those. */
const unmatched = "unmatched"

const noRoute: WireStatus = {
  code: Code.NotFound,
  http: 404,
  message: "there is nothing at this path",
  details: [],
  headers: {}
}

/** REST, NDJSON and server-sent events, as a handler of web standard requests. Throws if the proto asks for the impossible. */
export const restApp = (gate: Gate["Service"], { corsOrigins = [] }: RestSettings = {}): Hono<RestEnv> => {
  const app = new Hono<RestEnv>({ getPath: (request, options) => partsOf(targetOf(request, options?.env)).path })

  app.use(async (c, next) => {
    const header = (name: string) => c.req.header(name)
    c.set("callId", callIdOf(header("x-request-id")))
    const preflight = isPreflight(c.req.method, header)
    if (preflight) c.res = new Response(null, { status: 204 })
    else await next()
    c.res.headers.set("x-request-id", c.get("callId"))
    c.res.headers.set("x-content-type-options", "nosniff")
    c.res.headers.append("vary", "authorization")
    for (const [name, value] of Object.entries(corsHeaders(header("origin"), corsOrigins, preflight))) {
      if (name === "vary") c.res.headers.append(name, value)
      else c.res.headers.set(name, value)
    }
  })

  const routes = routesOf([EntityService, EventService])
  for (const route of routes) {
    const { method } = route
    app.on(route.verb, patternOf(route), (c) =>
      method === undefined ? streamed(gate, route, c) : answered(gate, route, method, c)
    )
  }
  // After all routes, so that a path with variables never hides another route behind its own methods.
  for (const [pattern, allowed] of methodsByPattern(routes)) {
    app.all(pattern, (c) => {
      if (c.req.method === "OPTIONS") return new Response(null, { status: 204, headers: { allow: allowed } })
      const status: WireStatus = {
        ...noRoute,
        code: Code.Unimplemented,
        http: 405,
        message: `only ${allowed} work here`
      }
      return refused(gate, unmatched, "rest", c, status, { allow: allowed })
    })
  }
  app.notFound((c) => refused(gate, unmatched, "rest", c, noRoute))
  // What no step foresaw. The caller learns the id of the call, and the log the rest.
  app.onError((error, c) => {
    gate.refused(unmatched, { protocol: "rest", callId: c.get("callId") }, internal, error)
    return failureAnswer(internal, c.req.raw.headers)
  })
  return app
}

const targetOf = (request: Request, env: RestEnv["Bindings"] | undefined): string =>
  env?.incoming?.url ?? targetOfUrl(request.url)

const patternOf = ({ segments }: Route): string =>
  segments.map((segment) => ("literal" in segment ? `/${segment.literal}` : `/:${segment.field}`)).join("")

const methodsByPattern = (routes: ReadonlyArray<Route>): ReadonlyMap<string, string> => {
  const verbs = Map.groupBy(routes, patternOf)
  return new Map(
    Array.from(verbs, ([pattern, list]) => {
      const allowed = list.flatMap(({ verb }) => (verb === "GET" ? ["GET", "HEAD"] : [verb]))
      return [pattern, [...allowed, "OPTIONS"].join(", ")]
    })
  )
}

type Exchange = Context<RestEnv>

const callOf = (c: Exchange, protocol: string, signal = c.req.raw.signal): AbortableCall => ({
  protocol,
  callId: c.get("callId"),
  header: (name) => c.req.raw.headers.get(name) ?? undefined,
  headers: () => Object.fromEntries(c.req.raw.headers) as JsonObject,
  signal
})

const refused = (
  gate: Gate["Service"],
  path: string,
  protocol: string,
  c: Exchange,
  status: WireStatus,
  headers?: Record<string, string>
): Response => {
  gate.refused(path, { protocol, callId: c.get("callId") }, status)
  return failureAnswer(status, c.req.raw.headers, headers)
}

/** The principal of a call; asked for before anything of a body is read. */
const authenticated = async (gate: Gate["Service"], { path }: Route, protocol: string, c: Exchange) => {
  const { header, signal } = callOf(c, protocol)
  try {
    return { principal: await gate.authenticate(header, signal) }
  } catch (error) {
    if (!(error instanceof CallFailed)) throw error
    gate.refused(path, { protocol, callId: c.get("callId") }, error.status, error.cause)
    return { refusal: failureAnswer(error.status, c.req.raw.headers) }
  }
}

/** The request message, or the status that says why there is none. */
const decoded = async (route: Route, { req, env }: Exchange) => {
  const request = req.raw
  try {
    const body = route.body === "" ? await refuseBody(request) : await readBody(request)
    if (hasLeft(env)) return { status: canceled }
    const checks = new Checks()
    const message = messageOf(checks, route, targetOf(request, env), body)
    return checks.violations.length === 0 ? { message } : { status: statusOf(invalid(...checks.violations)) }
  } catch (error) {
    if (error instanceof CallFailed) return { status: hasLeft(env) ? canceled : error.status }
    throw error
  }
}

/** Whether the body ended because its sender has gone: what came of it would be judged as if it were all. */
const hasLeft = (env: RestEnv["Bindings"] | undefined): boolean =>
  env?.incoming?.destroyed === true && env.incoming.complete === false

const answered = async (gate: Gate["Service"], route: Route, method: Method, c: Exchange): Promise<Response> => {
  const { principal, refusal } = await authenticated(gate, route, "rest", c)
  if (refusal !== undefined) return refusal
  const { message, status } = await decoded(route, c)
  if (message === undefined) return refused(gate, route.path, "rest", c, status)
  try {
    const reply = await gate.unary(method, { ...callOf(c, "rest"), principal }, message)
    return method.mutates
      ? changeAnswer(method.desc.output, reply)
      : readAnswer(method.desc.output, reply, c.req.raw.headers.get("if-none-match"))
  } catch (error) {
    return failed(error, c)
  }
}

const streamed = async (gate: Gate["Service"], route: Route, c: Exchange): Promise<Response> => {
  const framing = framingFor(c.req.header("accept"))
  const { principal, refusal } = await authenticated(gate, route, framing.protocol, c)
  if (refusal !== undefined) return refusal
  const { message, status } = await decoded(route, c)
  if (message === undefined) return refused(gate, route.path, framing.protocol, c, status)
  const left = new AbortController()
  const gone = c.req.raw.signal
  try {
    const call = { ...callOf(c, framing.protocol, AbortSignal.any([gone, left.signal])), principal }
    const stream = await gate.stream(call, message as StreamOpts)
    const body = streamBody(route.rpc.output, stream, framing, gone, () => left.abort())
    const headers = {
      ...stream.headers,
      "content-type": framing.contentType,
      "cache-control": "no-cache, no-transform",
      "x-accel-buffering": "no",
      vary: "accept"
    }
    if (c.req.raw.method !== "HEAD") {
      if (c.env?.outgoing !== undefined) markEndless(c.env.outgoing)
      return new Response(body, { headers })
    }
    await body.cancel()
    return new Response(null, { headers })
  } catch (error) {
    return failed(error, c)
  }
}

const failed = (error: unknown, c: Exchange): Response => {
  if (error instanceof CallFailed) return failureAnswer(error.status, c.req.raw.headers)
  throw error
}
