import { isFieldName, isFieldValue } from "./fields.ts"
import type { HpackDecoder } from "./hpack-decoder.ts"

/** The head of a request. Requests whose heads are the same bytes share it, so it must not be changed. */
export interface RequestHead {
  readonly method: string
  readonly path: string
  readonly scheme: string
  /** All fields, pseudo-header fields included. Fields that came more than once are joined. */
  readonly headers: Readonly<Record<string, string>>
  /** The body's length in bytes, if the head declares one. */
  readonly contentLength: number | undefined
  /** Size of the field list in bytes, as RFC 9113, 6.5.2 counts it. */
  readonly bytes: number
  /** The field list exceeds the limits. Then `headers` has only the fields that a refusal needs. */
  readonly isOversized: boolean
}

export interface HeadLimits {
  readonly headerBytesMax: number
  readonly headersMax: number
  readonly headerBlockBytesMax: number
}

/** Connection-specific fields, which HTTP/2 forbids (RFC 9113, 8.2.2). */
const connectionFields: ReadonlySet<string> = new Set([
  "connection",
  "keep-alive",
  "proxy-connection",
  "transfer-encoding",
  "upgrade"
])

const pseudoFields: ReadonlySet<string> = new Set([":method", ":scheme", ":authority", ":path"])

/** Fields that the refusal of an oversized head depends on: the protocol, the request's id and the page's origin. */
const refusalFields: ReadonlySet<string> = new Set([...pseudoFields, "content-type", "x-request-id", "origin"])
/** Characters of one such field, at most. */
const refusalFieldCharsMax = 1_024

const isMethod = (method: string): boolean => isFieldName(method.toLowerCase())

/** As in HTTP/1.1: the path has no authority, and no character that ends a line or a word. */
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
      // Pseudo-header fields come first, and each once.
      isMalformed ||= isRegular || !pseudoFields.has(name) || name in headers || !isFieldValue(value)
      headers[name] = value
      return
    }
    isRegular = true
    isMalformed ||=
      !isFieldName(name) ||
      !isFieldValue(value) ||
      connectionFields.has(name) ||
      (name === "te" && value !== "trailers")
    const earlier = headers[name]
    headers[name] = earlier === undefined ? value : `${earlier}${name === "cookie" ? "; " : ", "}${value}`
  }
  const excess = (name: string, value: string) => {
    if (refusalFields.has(name) && value.length <= refusalFieldCharsMax) headers[name] ??= value
  }
  const { whole, bytes } = decoder.decode(block, limits.headerBytesMax, field, excess)
  // A required field may be among those that were cut off, so an oversized head is not called malformed.
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
  for (const name of refusalFields) {
    const value = all[name]
    if (value !== undefined && value.length <= refusalFieldCharsMax && isFieldValue(value)) headers[name] = value
  }
  const { ":method": method = "", ":path": path = "", ":scheme": scheme = "" } = headers
  return { method, path, scheme, headers, contentLength: undefined, bytes, isOversized: true }
}

/** Reads a request's trailers, whose values are not used, and returns whether they are well-formed. Throws `CompressionError`. */
export const readTrailers = (decoder: HpackDecoder, block: Buffer, { headerBytesMax }: HeadLimits): boolean => {
  let isGood = true
  decoder.decode(block, headerBytesMax, (name, value) => {
    isGood &&= isFieldName(name) && isFieldValue(value) && !connectionFields.has(name)
  })
  return isGood
}

/** Whether a body of `receivedBytes` so far, complete if `ends`, disagrees with its head's content-length. */
export const contradictsContentLength = (
  { contentLength }: RequestHead,
  receivedBytes: number,
  ends: boolean
): boolean => {
  if (contentLength === undefined) return false
  return ends ? receivedBytes !== contentLength : receivedBytes > contentLength
}
