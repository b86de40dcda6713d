import { isFieldName, isFieldValue } from "./fields.ts"
import type { HpackDecoder } from "./hpack-decoder.ts"

/** The head of a request. Requests whose heads are the same bytes share it, so it must not be changed. */
export interface RequestHead {
  readonly method: string
  readonly path: string
  readonly scheme: string
  /** All fields, the pseudo-header ones among them; what came more than once is joined. */
  readonly headers: Readonly<Record<string, string>>
  /** Bytes that the body must have, if the head says so. */
  readonly contentLength: number | undefined
  /** How large the list of its fields is (RFC 9113, 6.5.2). */
  readonly bytes: number
  /** The list is larger than the limits allow. Then `headers` has only those fields that a refusal needs. */
  readonly isOversized: boolean
}

export interface HeadLimits {
  readonly headerBytesMax: number
  readonly headersMax: number
  readonly headerBlockBytesMax: number
}

/** What belongs to a connection and not to a message (RFC 9113, 8.2.2). */
const ofConnections: ReadonlySet<string> = new Set([
  "connection",
  "keep-alive",
  "proxy-connection",
  "transfer-encoding",
  "upgrade"
])

const pseudo: ReadonlySet<string> = new Set([":method", ":scheme", ":authority", ":path"])

/** What a refusal of an oversized head depends on: the protocol, the request's id, and the page it came from. */
const ofRefusals: ReadonlySet<string> = new Set([...pseudo, "content-type", "x-request-id", "origin"])
/** Characters of such a field. */
const ofRefusalCharsMax = 1_024

const isMethod = (method: string): boolean => isFieldName(method.toLowerCase())

/** Paths as those of HTTP/1.1: no host comes in by this way, and nothing that ends a line or a word. */
const isPath = (path: string, method: string): boolean =>
  /^\/[!-~]*$/.test(path) || (path === "*" && method === "OPTIONS")

/** RFC 3986, 3.1. */
const isScheme = (scheme: string): boolean => /^[a-z][a-z0-9+.-]*$/i.test(scheme)

/** A host and perhaps a port, without user information (RFC 9113, 8.3.1; RFC 3986, 3.2). */
const isAuthority = (authority: string): boolean => {
  const parts = /^(?:\[[0-9a-f:.]+\]|(?:[\w.~!$&'()*+,;=-]|%[0-9a-f]{2})+)(?::(\d{0,5}))?$/i.exec(authority)
  return parts !== null && Number(parts[1] ?? 0) <= 65_535
}

/** Whether the pseudo-header fields are those of a request (RFC 9113, 8.3.1), or of a CONNECT, which has no path (8.5). */
export const isRequest = (headers: Readonly<Record<string, string>>): boolean => {
  const { ":method": method, ":path": path, ":scheme": scheme, ":authority": authority, host } = headers
  if (authority !== undefined && !isAuthority(authority)) return false
  if (host !== undefined && !isAuthority(host)) return false
  // A proxy may route by one of them and a server by the other, so they must agree.
  if (authority !== undefined && host !== undefined && host.toLowerCase() !== authority.toLowerCase()) return false
  if (method === "CONNECT") return path === undefined && scheme === undefined && authority !== undefined
  if (method === undefined || path === undefined || scheme === undefined) return false
  return isMethod(method) && isPath(path, method) && isScheme(scheme)
}

/** Reads the head of a request; undefined when the request is malformed (RFC 9113, 8.1.1). Throws `CompressionError`. */
export const readHead = (decoder: HpackDecoder, block: Buffer, limits: HeadLimits): RequestHead | undefined => {
  const headers: Record<string, string> = Object.create(null)
  let isMalformed = false
  let isRegular = false
  let fields = 0
  const field = (name: string, value: string) => {
    fields += 1
    if (name.startsWith(":")) {
      // They come first, and each once.
      isMalformed ||= isRegular || !pseudo.has(name) || name in headers || !isFieldValue(value)
      headers[name] = value
      return
    }
    isRegular = true
    isMalformed ||=
      !isFieldName(name) || !isFieldValue(value) || ofConnections.has(name) || (name === "te" && value !== "trailers")
    const earlier = headers[name]
    headers[name] = earlier === undefined ? value : `${earlier}${name === "cookie" ? "; " : ", "}${value}`
  }
  const excess = (name: string, value: string) => {
    if (ofRefusals.has(name) && value.length <= ofRefusalCharsMax) headers[name] ??= value
  }
  const { whole, bytes } = decoder.decode(block, limits.headerBytesMax, field, excess)
  // What was cut off may be what is missing, so an oversized head is not called malformed.
  if (!whole || fields > limits.headersMax) return oversized(headers, bytes)
  const length = headers["content-length"]
  if (isMalformed || !isRequest(headers) || (length !== undefined && !/^\d{1,15}$/.test(length))) return undefined
  return {
    method: headers[":method"]!,
    path: headers[":path"] ?? "",
    scheme: headers[":scheme"] ?? "",
    headers,
    contentLength: length === undefined ? undefined : Number(length),
    bytes,
    isOversized: false
  }
}

const oversized = (all: Readonly<Record<string, string>>, bytes: number): RequestHead => {
  const headers: Record<string, string> = Object.create(null)
  for (const name of ofRefusals) {
    const value = all[name]
    if (value !== undefined && value.length <= ofRefusalCharsMax && isFieldValue(value)) headers[name] = value
  }
  const { ":method": method = "", ":path": path = "", ":scheme": scheme = "" } = headers
  return { method, path, scheme, headers, contentLength: undefined, bytes, isOversized: true }
}

/** Reads the trailers of a request, which nobody here needs, and gives whether they are some. Throws `CompressionError`. */
export const readTrailers = (decoder: HpackDecoder, block: Buffer, { headerBytesMax }: HeadLimits): boolean => {
  let isGood = true
  decoder.decode(block, headerBytesMax, (name, value) => {
    isGood &&= isFieldName(name) && isFieldValue(value) && !ofConnections.has(name)
  })
  return isGood
}

/** Whether a body is not as long as its head says, when so many bytes have come and it ends, or goes on. */
export const misstates = ({ contentLength }: RequestHead, receivedBytes: number, ends: boolean): boolean => {
  if (contentLength === undefined) return false
  return ends ? receivedBytes !== contentLength : receivedBytes > contentLength
}
