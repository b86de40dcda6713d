// The environment, read once, as one typed value. Whatever is wrong is told at once, for every variable.

import type { RegoSettings } from "../adapters/policy/rego/settings.ts"
import type { DecisionLog } from "../adapters/telemetry/pino/log.ts"
import { type AuthSettings, authSettings } from "./auth.ts"
import type { Http2Server, LogLevel, Origins, Parsed } from "./formats.ts"
import * as formats from "./formats.ts"
import { policySettings } from "./policy.ts"
import { type ChannelProvider, channelProvider, type StorageProvider, storageProvider } from "./providers.ts"
import { type Tls, tlsSettings } from "./tls.ts"
import { type TracingSettings, tracingSettings } from "./tracing.ts"
import {
  defaultChannel,
  defaultStorage,
  isFromKubernetes,
  isOurs,
  isServiceAddress,
  nearestName,
  type VariableName,
  variables
} from "./variables.ts"

export type { ChannelProvider, LogLevel, Origins, StorageProvider, Tls }
export { variables }

export interface Settings {
  /** 0 takes any free port. */
  readonly port: number
  readonly host: string
  /** 0 takes any free port. */
  readonly metricsPort: number
  readonly metricsHost: string
  readonly debug: boolean
  readonly logLevel: LogLevel
  readonly authDisabled: boolean
  /** Undefined where authentication is disabled. */
  readonly auth: AuthSettings | undefined
  /** Every authenticated caller may do everything. */
  readonly policyDisabled: boolean
  /** Undefined: no policy is set. */
  readonly rego: RegoSettings | undefined
  readonly decisionLog: DecisionLog
  /** What describes the API is open: reflection and documents. */
  readonly publicDocs: boolean
  readonly tls: Tls | undefined
  /** Empty: no page of another origin may call. */
  readonly corsOrigins: Origins
  /** Whose HTTP/2 serves. */
  readonly http2: Http2Server
  readonly shutdownGraceMs: number
  /** Undefined: no traces. */
  readonly tracing: TracingSettings | undefined
  readonly storage: StorageProvider
  readonly channel: ChannelProvider
  /** The providers that nobody chose; start-up says so. */
  readonly defaulted: ReadonlyArray<"storage" | "channel">
}

export type Environment = Readonly<Record<string, string | undefined>>

/** Never fails half way: answers all settings, or all that is wrong with them, one "VARIABLE: problem" each. */
export const parseSettings = (
  env: Environment
): { readonly settings: Settings; readonly warnings: ReadonlyArray<string> } | { readonly errors: Array<string> } => {
  const errors: Array<string> = []
  const refuse = (name: VariableName, problem: string) => errors.push(`${name}: ${problem}`)

  const read = <A>(name: VariableName, parse: (text: string) => Parsed<A>): A | undefined => {
    const text = textOf(env[name])
    if (text === undefined) return undefined
    // A Service called stategate-metrics: nobody meant to set this.
    if (name === "STATEGATE_METRICS_PORT" && isServiceAddress(text)) return undefined
    const parsed = name === "STATEGATE_PORT" && isServiceAddress(text) ? { problem: injectedPort } : parse(text)
    if ("value" in parsed) return parsed.value
    refuse(name, parsed.problem)
    return undefined
  }

  const port = read("STATEGATE_PORT", formats.port) ?? 8080
  const host = read("STATEGATE_HOST", formats.host) ?? "0.0.0.0"
  const metricsPort =
    read("STATEGATE_METRICS_PORT", formats.port) ?? (port === 0 ? 0 : port < 65_535 ? port + 1 : port - 1)
  const metricsHost = read("STATEGATE_METRICS_HOST", formats.host) ?? "127.0.0.1"
  if (metricsPort === port && port !== 0) refuse("STATEGATE_METRICS_PORT", "must be another port than STATEGATE_PORT")
  const debug = read("STATEGATE_DEBUG", formats.boolean) ?? false
  const logLevel = read("STATEGATE_LOG_LEVEL", formats.logLevel) ?? (debug ? "debug" : "info")
  const corsOrigins = read("STATEGATE_CORS_ORIGINS", formats.origins) ?? []
  const http2 = read("STATEGATE_HTTP2", formats.http2) ?? "own"
  const shutdownGraceMs = read("STATEGATE_SHUTDOWN_GRACE", formats.durationMs) ?? 20_000
  const storage = read("STATEGATE_STORAGE_PROVIDER", storageProvider)
  const channel = read("STATEGATE_CHANNEL_PROVIDER", channelProvider)

  const { authDisabled, auth, ...authFound } = authSettings(env)
  errors.push(...authFound.errors)
  const { rego, policyDisabled, decisionLog, errors: policyErrors } = policySettings(env, authDisabled)
  errors.push(...policyErrors)
  const publicDocs = read("STATEGATE_PUBLIC_DOCS", formats.boolean) ?? authDisabled

  const tls = tlsSettings(env)
  errors.push(...tls.errors)

  const { tracing, errors: tracingErrors } = tracingSettings(env)
  errors.push(...tracingErrors)

  const strangers = Object.entries(env)
    .map(([name, value]) => ({ name, text: textOf(value) }))
    .filter(({ name, text }) => text !== undefined && isOurs(name) && !known.has(name) && !isFromKubernetes(name, text))
    .map(({ name }) => name)
    .sort()
  if (errors.length > 0) return { errors }

  const unknown = strangers.map(
    (name) => `${name}: unknown, and without effect; the nearest known name is ${nearestName(name)}`
  )
  const warnings = [...unknown, ...tls.warnings, ...authFound.warnings]
  const settings: Settings = {
    port,
    host,
    metricsPort,
    metricsHost,
    debug,
    logLevel,
    authDisabled,
    auth,
    policyDisabled,
    rego,
    decisionLog,
    publicDocs,
    tls: tls.tls,
    corsOrigins,
    http2,
    shutdownGraceMs,
    tracing,
    storage: storage ?? defaultStorage,
    channel: channel ?? defaultChannel,
    defaulted: [...(storage ? [] : (["storage"] as const)), ...(channel ? [] : (["channel"] as const))]
  }
  return { settings, warnings }
}

const known: ReadonlySet<string> = new Set(variables.map((variable) => variable.name))

/** Empty is unset, as in a compose file's `${VARIABLE}`; files mounted as variables often end in a line break. */
const textOf = (value: string | undefined): string | undefined => value?.trim() || undefined

const injectedPort =
  "this is the address of a Kubernetes Service called stategate, which Kubernetes puts here by itself. Set " +
  "enableServiceLinks: false in the pod's spec, or give the Service another name"
