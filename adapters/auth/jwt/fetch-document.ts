import { keyFetchMsMax, keyRedirectsMax, keySetBytesMax } from "../../../application/limits.ts"

export interface Fetched {
  readonly text: string
  /** Seconds for which the answer may be kept; undefined where it does not say. */
  readonly maxAgeSeconds: number | undefined
}

export interface FetchLimits {
  readonly msMax?: number
  readonly bytesMax?: number
}

/**
 * Fetches a small document within bounds of time and size, from the origin of its address and from nowhere else. Rejects
 * with an `Error` that names the address and says what went wrong.
 */
export const fetchDocument = async (
  address: string,
  signal: AbortSignal,
  { msMax = keyFetchMsMax, bytesMax = keySetBytesMax }: FetchLimits = {}
): Promise<Fetched> => {
  const timeout = AbortSignal.timeout(msMax)
  try {
    return await fetchFrom(new URL(address), AbortSignal.any([signal, timeout]), bytesMax)
  } catch (error) {
    const why = timeout.aborted ? `no complete answer within ${msMax} ms` : messageOf(error)
    throw new Error(`${withoutSecrets(address)}: ${why}`, { cause: error })
  }
}

/** An address for the log: without user, password and query. */
export const withoutSecrets = (address: string): string => {
  const { origin, pathname } = new URL(address)
  return `${origin}${pathname}`
}

/** What fetch itself says is "fetch failed", and the reason is the cause of it. */
const messageOf = (error: unknown): string => {
  if (!(error instanceof Error)) return String(error)
  const { cause } = error
  if (!(cause instanceof Error)) return error.message
  return cause.message || (cause as { readonly code?: string }).code || error.message
}

const fetchFrom = async (first: URL, signal: AbortSignal, bytesMax: number): Promise<Fetched> => {
  let url = first
  for (let redirects = 0; redirects <= keyRedirectsMax; redirects++) {
    const answer = await fetch(url, { signal, redirect: "manual", headers: { accept: "application/json" } })
    const location = answer.status >= 300 && answer.status < 400 ? answer.headers.get("location") : null
    if (location === null) return await read(answer, bytesMax)
    await answer.body?.cancel()
    const next = URL.parse(location, url)
    if (next?.origin !== first.origin) throw new Error("it redirects to another origin, which is not followed")
    url = next
  }
  throw new Error(`it redirects more than ${keyRedirectsMax} times`)
}

const read = async (answer: Response, bytesMax: number): Promise<Fetched> => {
  if (answer.status !== 200) {
    await answer.body?.cancel()
    throw new Error(`it answers with status ${answer.status}`)
  }
  const decoder = new TextDecoder("utf-8", { fatal: true })
  let text = ""
  let bytes = 0
  for await (const chunk of answer.body ?? []) {
    bytes += chunk.length
    // Leaving the loop cancels the body: nothing more of it is read.
    if (bytes > bytesMax) throw new Error(`its answer is larger than ${bytesMax} bytes`)
    text += decoder.decode(chunk, { stream: true })
  }
  return { text: text + decoder.decode(), maxAgeSeconds: maxAgeOf(answer.headers) }
}

/** RFC 9111: how long an answer may be kept, less the time that it spent in caches on its way. */
const maxAgeOf = (headers: Headers): number | undefined => {
  const directives = (headers.get("cache-control") ?? "").toLowerCase()
  if (/(^|[\s,])no-(store|cache)([\s,=]|$)/.test(directives)) return 0
  const [, seconds] = /(?:^|[\s,])max-age="?(\d{1,9})/.exec(directives) ?? []
  if (seconds === undefined) return undefined
  const [age] = /^\d{1,9}$/.exec(headers.get("age") ?? "") ?? ["0"]
  return Math.max(0, Number(seconds) - Number(age))
}
