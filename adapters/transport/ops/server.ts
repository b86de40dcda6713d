import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import { Cause, Effect, type Scope } from "effect"
import { reportDefects } from "../../../application/background.ts"
import { opsConnectionsMax, profileSecondsMax } from "../../../application/limits.ts"
import type { Readings } from "../../../application/readiness.ts"
import { hostGuard, isLoopbackHost } from "../http/host.ts"
import { probes } from "./probes.ts"
import type { Profiles } from "./profiles.ts"

export interface OpsOptions {
  readonly host: string
  /** 0 lets the system choose. */
  readonly port: number
  readonly metrics: { readonly contentType: string; readonly text: () => Promise<string> }
  readonly readiness: Effect.Effect<Readings>
  /** Served to this machine alone; absent, there are none. */
  readonly profiles?: Profiles | undefined
}

interface Answer {
  readonly status: number
  readonly type?: string
  readonly body: string | Uint8Array
}

type Route = (request: IncomingMessage, url: URL, gone: AbortSignal) => Answer | Promise<Answer>

const text = (status: number, body: string): Answer => ({
  status,
  type: "text/plain; charset=utf-8",
  body: `${body}\n`
})

const profile = (body: Uint8Array): Answer => ({ status: 200, type: "application/octet-stream", body })

const loopback = /^(?:127\.|::1$|::ffff:127\.)/

/** A caller on this machine that names it as the host: neither a proxy that speaks for others nor a page of the internet. */
const isLocal = ({ socket, headers }: IncomingMessage): boolean =>
  loopback.test(socket.remoteAddress ?? "") &&
  isLoopbackHost(headers.host) &&
  headers["x-forwarded-for"] === undefined &&
  headers.forwarded === undefined

const locally =
  (route: Route): Route =>
  (request, url, gone) =>
    isLocal(request) ? route(request, url, gone) : text(403, "profiles are for callers on the gateway's own machine")

const cpu =
  (profiles: Profiles): Route =>
  async (_, url, gone) => {
    const given = url.searchParams.get("seconds") ?? "30"
    const seconds = /^\d{1,4}$/.test(given) ? Number(given) : 0
    if (seconds < 1 || seconds > profileSecondsMax) return text(400, `seconds must be 1 to ${profileSecondsMax}`)
    const watched = profiles.cpu(seconds, gone)
    return watched === undefined ? text(409, "a profile is being made; try again later") : profile(await watched)
  }

const routesOf = ({ metrics, profiles }: OpsOptions, readings: () => Promise<Readings>): ReadonlyMap<string, Route> => {
  const routes = new Map<string, Route>([
    ["/metrics", async () => ({ status: 200, type: metrics.contentType, body: await metrics.text() })],
    ...probes(readings)
  ])
  if (profiles !== undefined) {
    routes.set("/debug/pprof/profile", locally(cpu(profiles)))
    routes.set(
      "/debug/pprof/heap",
      locally(async () => profile(await profiles.heap()))
    )
  }
  return routes.set("/", () => text(200, [...routes.keys()].filter((path) => path !== "/").join("\n")))
}

/**
 * What operators ask, on a port of its own: metrics, health and profiles are not for the internet. Without TLS and
 * without tokens, so by default it is bound to this machine.
 */
export const serveOps: (
  options: OpsOptions
) => Effect.Effect<{ readonly port: number; readonly url: string }, Error, Scope.Scope> = Effect.fnUntraced(
  function* (options) {
    const { host } = options
    const context = yield* Effect.context<never>()
    const run = Effect.runForkWith(context)
    const bug = (cause: unknown) => void run(reportDefects("operators", Cause.die(cause)))
    const readings = () => Effect.runPromiseWith(context)(options.readiness)
    const routes = routesOf(options, readings)
    const guard = hostGuard({ authDisabled: true, boundTo: host })

    const answerTo = async (request: IncomingMessage, gone: AbortSignal): Promise<Answer> => {
      if (guard(request.headers.host) !== undefined) return text(403, "this port answers only to localhost")
      const url = URL.parse(request.url ?? "/", "http://ops")
      const route = routes.get(url?.pathname ?? "")
      if (url === null || route === undefined) return text(404, "there is nothing at this path")
      if (request.method !== "GET" && request.method !== "HEAD") return text(405, "only GET works here")
      return await route(request, url, gone)
    }

    const serve = async (request: IncomingMessage, response: ServerResponse) => {
      const left = new AbortController()
      response.once("close", () => left.abort())
      try {
        send(request, response, await answerTo(request, left.signal))
      } catch (cause) {
        if (left.signal.aborted) return
        bug(cause)
        send(request, response, text(500, "this could not be answered; the log says why"))
      }
    }

    const server = createServer({ requestTimeout: 10_000 }, (request, response) => void serve(request, response))
    server.maxConnections = opsConnectionsMax
    yield* Effect.acquireRelease(
      Effect.callback<void, Error>((resume) => {
        const failed = (cause: Error) => resume(Effect.fail(cause))
        server.once("error", failed).listen({ host, port: options.port }, () => {
          server.off("error", failed).on("error", (cause) => run(Effect.logError("operators cannot be served", cause)))
          resume(Effect.void)
        })
      }),
      () =>
        Effect.callback<void>((resume) => {
          server.close(() => resume(Effect.void))
          server.closeAllConnections()
        })
    )
    const { port } = server.address() as AddressInfo
    return { port, url: `http://${host.includes(":") ? `[${host}]` : host}:${port}` }
  }
)

const send = ({ method }: IncomingMessage, response: ServerResponse, { status, type, body }: Answer): void => {
  const content = Buffer.from(body)
  response.writeHead(status, {
    "content-type": type,
    "content-length": content.length,
    "cache-control": "no-store",
    "x-content-type-options": "nosniff"
  })
  response.end(method === "HEAD" ? undefined : content)
}
