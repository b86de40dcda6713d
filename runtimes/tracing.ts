// The variables that OpenTelemetry defines for all programs, as far as they mean something here.

import type { Sampling, TracingSettings } from "../adapters/telemetry/otlp/tracing.ts"

export type { TracingSettings }

type Environment = Readonly<Record<string, string | undefined>>

/** Undefined: nobody asked for traces. */
export const tracingSettings = (
  env: Environment
): { readonly tracing: TracingSettings | undefined; readonly errors: ReadonlyArray<string> } => {
  const errors: Array<string> = []
  const text = (name: string): string | undefined => env[name]?.trim() || undefined
  const own = text("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
  const base = text("OTEL_EXPORTER_OTLP_ENDPOINT")
  const isOff = text("OTEL_SDK_DISABLED") === "true" || text("OTEL_TRACES_EXPORTER") === "none"
  if (isOff || (own ?? base) === undefined) return { tracing: undefined, errors }

  const url = own ?? `${base!.replace(/\/+$/, "")}/v1/traces`
  if (!/^https?:\/\//.test(url) || !URL.canParse(url)) {
    const name = own === undefined ? "OTEL_EXPORTER_OTLP_ENDPOINT" : "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"
    errors.push(`${name}: is not a URL such as http://localhost:4318`)
  }
  const protocol = text("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL") ?? text("OTEL_EXPORTER_OTLP_PROTOCOL") ?? "http/protobuf"
  if (protocol !== "http/protobuf" && protocol !== "http/json") {
    errors.push("OTEL_EXPORTER_OTLP_PROTOCOL: must be http/protobuf or http/json")
  }
  const headers = pairsIn(text("OTEL_EXPORTER_OTLP_TRACES_HEADERS") ?? text("OTEL_EXPORTER_OTLP_HEADERS") ?? "")
  // Without the text: it might hold a secret.
  if (headers === undefined) errors.push("OTEL_EXPORTER_OTLP_HEADERS: must be name=value pairs, separated by commas")
  const sampling = samplingIn(text("OTEL_TRACES_SAMPLER") ?? "parentbased_always_on", text("OTEL_TRACES_SAMPLER_ARG"))
  if (typeof sampling === "string") errors.push(sampling)
  const delayMs = Number(text("OTEL_BSP_SCHEDULE_DELAY") ?? 5_000)
  if (!(delayMs > 0 && delayMs <= 60_000)) errors.push("OTEL_BSP_SCHEDULE_DELAY: must be 1 to 60000 milliseconds")
  const timeoutMs = Number(text("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT") ?? text("OTEL_EXPORTER_OTLP_TIMEOUT") ?? 10_000)
  if (!(timeoutMs > 0 && timeoutMs <= 60_000)) {
    errors.push("OTEL_EXPORTER_OTLP_TIMEOUT: must be 1 to 60000 milliseconds")
  }
  // The exporter reads it by itself; what it could not read would be told too late.
  const attributes = pairsIn(text("OTEL_RESOURCE_ATTRIBUTES") ?? "")
  if (attributes === undefined) errors.push("OTEL_RESOURCE_ATTRIBUTES: must be name=value pairs, separated by commas")
  if (errors.length > 0 || headers === undefined || typeof sampling === "string") return { tracing: undefined, errors }
  const encoding = protocol === "http/json" ? "json" : "protobuf"
  const serviceName = text("OTEL_SERVICE_NAME") ?? attributes?.["service.name"] ?? "stategate"
  return { tracing: { url, headers, serviceName, encoding, delayMs, timeoutMs, sampling }, errors }
}

/** `name=value,name=value`, with values as they are written in URLs. */
const pairsIn = (text: string): Readonly<Record<string, string>> | undefined => {
  const pairs: Array<[string, string]> = []
  for (const part of text.split(",").filter((item) => item.trim() !== "")) {
    const [, name, value] = /^\s*([\w!#$&'*+.^`|~-]+)\s*=\s*(.*?)\s*$/.exec(part) ?? []
    const decoded = name === undefined ? undefined : decodedOf(value!)
    if (decoded === undefined) return undefined
    pairs.push([name!.toLowerCase(), decoded])
  }
  return Object.fromEntries(pairs)
}

/** Undefined for escapes of what is no text, which look right one by one. */
const decodedOf = (text: string): string | undefined => {
  try {
    return decodeURIComponent(text)
  } catch {
    return undefined
  }
}

const samplers = /^(parentbased_)?(always_on|always_off|traceidratio)$/

const samplingIn = (name: string, argument = "1"): Sampling | string => {
  const [, parentBased, kind] = samplers.exec(name) ?? []
  if (kind === undefined)
    return "OTEL_TRACES_SAMPLER: must be always_on, always_off, traceidratio or parentbased_ and one of these"
  const ratio = kind === "always_on" ? 1 : kind === "always_off" ? 0 : Number(argument)
  if (!(ratio >= 0 && ratio <= 1)) return "OTEL_TRACES_SAMPLER_ARG: must be a number from 0 to 1"
  return { ratio, parentBased: parentBased !== undefined }
}
