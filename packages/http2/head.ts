import { isFieldName, isFieldValue } from "./fields.ts"
import type { HpackDecoder } from "./hpack-decoder.ts"

/** The head of a request. Shared by requests whose heads are the same bytes, so nobody may change it. */
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
}

/** Why there is no head: the request is malformed (RFC 9113, 8.1.1), or its head is larger than anyone needs. */
export type NoHead = "malformed" | "too large"

export interface HeadLimits {
  readonly headerBytesMax: number
  readonly headersMax: number
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

const isMethod = (method: string): boolean => isFieldName(method.toLowerCase())

/** Paths as those of HTTP/1.1: no host comes in by this way, and nothing that ends a line or a word. */
const isPath = (path: string, method: string): boolean =>
  /^\/[!-~]*$/.test(path) || (path === "*" && method === "OPTIONS")

/** Reads the head of a request. Throws `CompressionError`. */
export const readHead = (decoder: HpackDecoder, block: Buffer, limits: HeadLimits): RequestHead | NoHead => {
  const headers: Record<string, string> = Object.create(null)
  let isMalformed = false
  let isRegular = false
  let fields = 0
  const { whole, bytes } = decoder.decode(block, limits.headerBytesMax, (name, value) => {
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
  })
  const { ":method": method, ":path": path, ":scheme": scheme, ":authority": authority, host } = headers
  const length = headers["content-length"]
  const isComplete =
    method === "CONNECT" ||
    (method !== undefined && isMethod(method) && path !== undefined && isPath(path, method) && scheme !== undefined)
  // Whoever looks at one of them must not be told something else by the other (RFC 9113, 8.3.1).
  const isOneHost = authority === undefined || host === undefined || host.toLowerCase() === authority.toLowerCase()
  isMalformed ||= !isComplete || !isOneHost || (length !== undefined && !/^\d{1,15}$/.test(length))
  // What is cut off might have been what is missing.
  if (!whole || fields > limits.headersMax) return "too large"
  if (isMalformed) return "malformed"
  return {
    method: method!,
    path: path ?? "",
    scheme: scheme ?? "",
    headers,
    contentLength: length === undefined ? undefined : Number(length),
    bytes
  }
}

/** Reads the trailers of a request, which nobody here needs, and gives whether they are some. Throws `CompressionError`. */
export const readTrailers = (decoder: HpackDecoder, block: Buffer, { headerBytesMax }: HeadLimits): boolean => {
  let isGood = true
  decoder.decode(block, headerBytesMax, (name, value) => {
    isGood &&= isFieldName(name) && isFieldValue(value) && !ofConnections.has(name)
  })
  return isGood
}
