import { Effect, Layer, Option, Tracer } from "effect"
import { FetchHttpClient } from "effect/http"
import { OtlpExporter, OtlpSerialization, OtlpTracer } from "effect/observability"
import { exportsAtOnceMax } from "../../../application/limits.ts"

export interface TracingSettings {
  /** Where a collector takes traces, such as `http://localhost:4318/v1/traces`. */
  readonly url: string
  /** May hold secrets. */
  readonly headers: Readonly<Record<string, string>>
  readonly serviceName: string
  readonly encoding: "protobuf" | "json"
  /** Milliseconds for which spans are collected before an export. */
  readonly delayMs: number
  /** How long the collector may take to answer. */
  readonly timeoutMs: number
  readonly sampling: Sampling
}

/** Which traces are recorded. */
export interface Sampling {
  /** Of the traces that nobody else decided about, how many; 0 to 1. */
  readonly ratio: number
  /** Whether callers decide about their own traces. */
  readonly parentBased: boolean
}

/** Sends spans to a collector, by OTLP over HTTP. While the collector is unavailable, spans are lost; calls are not affected. */
export const layer = (settings: TracingSettings, version: string): Layer.Layer<never> => {
  const tracer = Effect.map(
    OtlpTracer.make({
      url: settings.url,
      headers: settings.headers,
      resource: { serviceName: settings.serviceName, serviceVersion: version },
      exportInterval: settings.delayMs
    }),
    sampled(settings.sampling)
  )
  return Layer.effect(Tracer.Tracer, tracer).pipe(
    Layer.provide(OtlpExporter.layerFlusher),
    Layer.provide(settings.encoding === "json" ? OtlpSerialization.layerJson : OtlpSerialization.layerProtobuf),
    Layer.provide(FetchHttpClient.layer),
    Layer.provide(Layer.succeed(FetchHttpClient.Fetch, bounded(settings.timeoutMs)))
  )
}

/** Bounds open exports: spans must not accumulate while the collector does not answer. */
const bounded = (timeoutMs: number): typeof fetch => {
  let open = 0
  return async (input, init) => {
    if (open >= exportsAtOnceMax) throw new Error("the collector has not answered yet")
    open += 1
    try {
      const late = AbortSignal.timeout(timeoutMs)
      return await fetch(input, { ...init, signal: init?.signal ? AbortSignal.any([init.signal, late]) : late })
    } finally {
      open -= 1
    }
  }
}

/** Decides at the first span of a trace in this gateway; its child spans follow the decision. */
const sampled =
  ({ ratio, parentBased }: Sampling) =>
  (tracer: Tracer.Tracer): Tracer.Tracer => {
    const isChosen = chosenBy(ratio)
    return Tracer.make({
      span: (options) => {
        const parent = Option.getOrUndefined(options.parent)
        const isDecided = parent !== undefined && (parentBased || parent._tag === "Span")
        if (isDecided) return tracer.span(options)
        // The id is known once there is a span; it is sent when it ends, if it is still said to be sampled then.
        const span = tracer.span({ ...options, sampled: true })
        return isChosen(span.traceId) ? span : Object.assign(span, { sampled: false })
      }
    })
  }

/**
 * Decides as OpenTelemetry wants it, by the last 56 bits of the trace's id, which are random: so all services that see a
 * trace decide alike, and one that records more of them records all that another does.
 */
const chosenBy = (ratio: number): ((traceId: string) => boolean) => {
  const threshold = BigInt(Math.round((1 - ratio) * 2 ** 56))
  return (traceId) => BigInt(`0x${traceId.slice(-14)}`) >= threshold
}
