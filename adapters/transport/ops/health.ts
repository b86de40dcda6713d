import { setTimeout as sleep } from "node:timers/promises"
import { create, type DescService, type MessageShape } from "@bufbuild/protobuf"
import { Code, ConnectError, type HandlerContext } from "@connectrpc/connect"
import { healthWatchersMax, readinessMs } from "../../../application/limits.ts"
import {
  Health,
  type HealthCheckRequest,
  type HealthCheckResponseSchema,
  HealthCheckResponse_ServingStatus as Status
} from "../../../proto/gen/grpc/health/v1/health_pb.js"
import { isInvalid } from "../call/pipeline.ts"
import { internal, statusOf } from "../call/status.ts"
import { begun, type Routes } from "../connect/routes.ts"
import type { GrpcMethod } from "../grpc/grpc.ts"

export interface HealthOptions {
  /** What may be asked for by name. The empty name is the whole gateway. */
  readonly services: ReadonlyArray<DescService>
  /** Whether calls should be sent here. */
  readonly isReady: () => Promise<boolean>
  /** Aborted when nothing new is accepted. */
  readonly draining: AbortSignal
}

export interface HealthHandlers {
  readonly routes: Routes
  /** The unary call once more, for the fast path: load balancers ask often. */
  readonly methods: ReadonlyMap<string, GrpcMethod>
}

/** `grpc.health.v1`, which asks nobody for a token and tells nobody a name that it did not say. */
export const healthHandlers = ({ services, isReady, draining }: HealthOptions): HealthHandlers => {
  const known = new Set(["", ...services.map(({ typeName }) => typeName)])
  let watchers = 0
  const now = async () => (!draining.aborted && (await isReady()) ? Status.SERVING : Status.NOT_SERVING)

  async function check({ service }: HealthCheckRequest, context: HandlerContext) {
    begun(context)
    if (!known.has(service)) throw new ConnectError(unknownService, Code.NotFound)
    return { status: await now() }
  }

  async function* watch({ service }: HealthCheckRequest, context: HandlerContext) {
    begun(context)
    if (watchers >= healthWatchersMax) throw new ConnectError("too many watch already", Code.ResourceExhausted)
    watchers += 1
    try {
      yield* changes(service, context)
    } finally {
      watchers -= 1
    }
  }

  async function* changes(service: string, context: HandlerContext) {
    begun(context)?.onHeaders(context.responseHeader)
    const ended = AbortSignal.any([context.signal, draining])
    let lastSent: Status | undefined
    while (!context.signal.aborted) {
      const status = known.has(service) ? await now() : Status.SERVICE_UNKNOWN
      if (status !== lastSent) yield { status }
      lastSent = status
      if (draining.aborted) throw new ConnectError("the gateway is shutting down", Code.Unavailable)
      await sleep(readinessMs, undefined, { signal: ended }).catch(() => {})
    }
  }

  async function list(_: unknown, context: HandlerContext) {
    begun(context)
    const status = await now()
    return { statuses: Object.fromEntries([...known].map((name) => [name, { status }])) }
  }

  const { input, output } = Health.method.check
  const fast: GrpcMethod = {
    input,
    output,
    refused: () => {},
    begin: (_, read, { done }) => {
      const message = read()
      if (isInvalid(message)) {
        done({ status: statusOf(message) })
        return () => {}
      }
      if (!known.has((message as HealthCheckRequest).service)) {
        done({ status: { code: Code.NotFound, http: 404, message: unknownService, details: [], headers: {} } })
        return () => {}
      }
      now().then(
        (status) => done({ message: create(output, { status }) as MessageShape<typeof HealthCheckResponseSchema> }),
        () => done({ status: internal })
      )
      return () => {}
    }
  }
  return {
    routes: (router) => router.service(Health, { check, watch, list }),
    methods: new Map([[`/${Health.typeName}/${Health.method.check.name}`, fast]])
  }
}

const unknownService = "there is no such service here"
