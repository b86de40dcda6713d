import { Effect } from "effect"
import { keyRefreshMsMax, keyRefreshMsMin } from "../../../application/limits.ts"
import { readJson } from "../../../domain/json-read.ts"
import { type Fetched, type FetchLimits, fetchDocument, withoutSecrets } from "./fetch-document.ts"
import { readKeySet } from "./key-set.ts"
import { type KeyTimes, keySource, type Reading } from "./key-source.ts"

/** How keys are fetched; tests make it fast. */
export interface RemoteTimes extends KeyTimes, FetchLimits {
  /** Milliseconds between two refreshes, at least and at most, whatever Cache-Control says. */
  readonly refreshMsMin?: number
  readonly refreshMsMax?: number
}

/** The keys at an address. */
export const keysAt = (uri: string, times: RemoteTimes = {}) =>
  keySource(
    withoutSecrets(uri),
    fetching((signal) => fetchKeys(uri, signal, times)),
    times
  )

/** The keys that an OpenID Connect issuer names in its configuration. */
export const keysOfIssuer = (issuer: string, times: RemoteTimes = {}) =>
  keySource(
    withoutSecrets(issuer),
    fetching(async (signal) => fetchKeys(await keysUri(issuer, signal, times), signal, times)),
    times
  )

const fetching = (read: (signal: AbortSignal) => Promise<Reading>): Effect.Effect<Reading, Error> =>
  Effect.tryPromise({
    try: read,
    catch: (error) => (error instanceof Error ? error : new Error(String(error)))
  })

const fetchKeys = async (uri: string, signal: AbortSignal, times: RemoteTimes): Promise<Reading> => {
  const fetched = await fetchDocument(uri, signal, times)
  try {
    return { keys: await readKeySet(fetched.text), againMs: againMs(fetched, times) }
  } catch (error) {
    throw new Error(`${withoutSecrets(uri)}: ${error instanceof Error ? error.message : error}`, { cause: error })
  }
}

const againMs = (
  { maxAgeSeconds }: Fetched,
  { refreshMsMin = keyRefreshMsMin, refreshMsMax = keyRefreshMsMax }: RemoteTimes
): number =>
  maxAgeSeconds === undefined ? refreshMsMax : Math.min(Math.max(maxAgeSeconds * 1000, refreshMsMin), refreshMsMax)

const configurationValuesMax = 2_000

/** OpenID Connect Discovery 1.0, 4: the issuer in the document must be the one that was asked for. */
const keysUri = async (issuer: string, signal: AbortSignal, times: RemoteTimes): Promise<string> => {
  const address = `${issuer.replace(/\/$/, "")}/.well-known/openid-configuration`
  const { text } = await fetchDocument(address, signal, times)
  const read = readJson(text, configurationValuesMax)
  const found = read.ok ? (read.value as { readonly issuer?: unknown; readonly jwks_uri?: unknown } | null) : null
  if (found?.issuer !== issuer) throw new Error(`${withoutSecrets(address)}: is not the configuration of ${issuer}`)
  const url = typeof found.jwks_uri === "string" ? URL.parse(found.jwks_uri) : null
  const isSafe = url?.protocol === "https:" || (url?.protocol === "http:" && issuer.startsWith("http:"))
  if (url === null || !isSafe) throw new Error(`${withoutSecrets(address)}: has no https jwks_uri`)
  return url.href
}
