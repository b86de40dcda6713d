import { type Clock, Context, Effect, Exit, Option, Tracer } from "effect"

/** The tracer that records spans; undefined without one, and then no spans are made. */
export const recordingTracer: Effect.Effect<Tracer.Tracer | undefined> = Effect.map(Effect.tracer, (tracer) =>
  tracer === Tracer.nativeTracer ? undefined : tracer
)

export interface SpanStart {
  readonly name: string
  readonly kind: Tracer.SpanKind
  readonly parent: Tracer.AnySpan | undefined
  readonly links?: ReadonlyArray<Tracer.AnySpan>
  /** Start time in nanoseconds since the epoch; now when absent. */
  readonly since?: bigint
}

/** A span that is recorded if its parent is; without a parent the tracer decides. */
export const startSpan = (tracer: Tracer.Tracer, clock: Clock.Clock, start: SpanStart): Tracer.Span =>
  tracer.span({
    name: start.name,
    kind: start.kind,
    parent: Option.fromUndefinedOr(start.parent),
    annotations: Context.empty(),
    links: (start.links ?? []).map((span) => ({ span, attributes: {} })),
    startTime: start.since ?? clock.currentTimeNanosUnsafe(),
    root: start.parent === undefined,
    sampled: start.parent?.sampled ?? true
  })

/** Runs an effect in a child of the caller's span, which ends with the effect. */
export const inChildSpan =
  (tracer: Tracer.Tracer, clock: Clock.Clock, name: string) =>
  <A, E, R>(use: (span: Tracer.Span | undefined) => Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.flatMap(Effect.serviceOption(Tracer.ParentSpan), (parent) => {
      if (Option.isNone(parent)) return use(undefined)
      const span = startSpan(tracer, clock, { name, kind: "internal", parent: parent.value })
      const end = Effect.sync(() => span.end(clock.currentTimeNanosUnsafe(), Exit.void))
      return Effect.ensuring(use(span), end)
    })
