import { type Clock, Effect, Exit, Tracer } from "effect"
import { parseTraceparent, traceparentText } from "../../../application/traceparent.ts"
import { startSpan } from "../../../application/tracing.ts"
import type { Header } from "./checks.ts"

/** The span of one call, by OpenTelemetry's conventions for RPC. */
export interface CallSpan {
  readonly traceId: string
  /** What the events of the call say of it. */
  readonly traceparent: string
  /** Runs the call so that spans within it are children of this one. */
  readonly around: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  /** The code is as in a call's record; the cause of a failure, if any, goes to the tracer alone. */
  readonly end: (code: string, cause?: unknown) => void
}

const systems: Readonly<Record<string, string>> = { grpc: "grpc", "grpc-web": "grpc", connect: "connectrpc" }

/** The codes that are the gateway's fault. What a caller gets wrong is no error of the server. */
const faults = new Set(["unknown", "deadline_exceeded", "unimplemented", "internal", "unavailable", "data_loss"])

/** As gRPC spells it, in capitals and with its two l's. */
const statusName = (code: string): string => (code === "canceled" ? "CANCELLED" : code.toUpperCase())

export const callSpans =
  (tracer: Tracer.Tracer, clock: Clock.Clock) =>
  (path: string, call: { readonly protocol: string; readonly callId: string; readonly header: Header }): CallSpan => {
    const given = parseTraceparent(call.header("traceparent"))
    const name = path.slice(1)
    const parent = given === undefined ? undefined : Tracer.externalSpan(given)
    const span = startSpan(tracer, clock, { name, kind: "server", parent })
    span.attribute("rpc.system.name", systems[call.protocol] ?? "rest")
    span.attribute("rpc.method", name)
    span.attribute("stategate.protocol", call.protocol)
    span.attribute("stategate.call_id", call.callId)
    return {
      traceId: span.traceId,
      traceparent: traceparentText(span),
      around: Effect.provideService(Tracer.ParentSpan, span),
      end: (code, cause) => {
        const status = statusName(code)
        span.attribute("rpc.response.status_code", status)
        const isFault = faults.has(code)
        if (isFault) span.attribute("error.type", status)
        const failure = cause instanceof Error ? cause : new Error(status)
        span.end(clock.currentTimeNanosUnsafe(), isFault ? Exit.fail(failure) : Exit.void)
      }
    }
  }
