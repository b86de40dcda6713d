/** The content of the header `traceparent` of W3C Trace Context. */
export interface TraceContext {
  readonly traceId: string
  readonly spanId: string
  /** Whether the caller may have recorded the trace. */
  readonly sampled: boolean
}

const form = /^(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/

/** Parses a `traceparent`; undefined for an invalid one, which the standard wants to be ignored. */
export const parseTraceparent = (text: string | undefined): TraceContext | undefined => {
  if (text === undefined) return undefined
  const [, version, traceId, spanId, flags, rest] = form.exec(text) ?? []
  // Later versions may add parts behind those that are known; this one has no more.
  if (version === undefined || (version === "00" && rest !== undefined)) return undefined
  return { traceId: traceId!, spanId: spanId!, sampled: (Number.parseInt(flags!, 16) & 1) === 1 }
}

export const traceparentText = ({ traceId, spanId, sampled }: TraceContext): string =>
  `00-${traceId}-${spanId}-${sampled ? "01" : "00"}`
