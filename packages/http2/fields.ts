/** A header field, or a pseudo-header one, whose name begins with a colon. */
export type Field = readonly [name: string, value: string]

/** A token, in lower case (RFC 9113, 8.2.1). */
export const isFieldName = (name: string): boolean => /^[!#$%&'*+\-.^_`|~0-9a-z]+$/.test(name)

/** Stricter than HTTP/2 asks: also valid in HTTP/1.1 (RFC 9110, 5.5), to which a message may be passed on. */
export const isFieldValue = (value: string): boolean => !/[^\t\x20-\x7e\x80-\xff]|^[ \t]|[ \t]$/.test(value)

/** The static table (RFC 7541, appendix A). Its first index is 1. */
// biome-ignore format: a table, not code
export const staticFields: ReadonlyArray<Field> = [
  [":authority", ""], [":method", "GET"], [":method", "POST"], [":path", "/"], [":path", "/index.html"],
  [":scheme", "http"], [":scheme", "https"], [":status", "200"], [":status", "204"], [":status", "206"],
  [":status", "304"], [":status", "400"], [":status", "404"], [":status", "500"], ["accept-charset", ""],
  ["accept-encoding", "gzip, deflate"], ["accept-language", ""], ["accept-ranges", ""], ["accept", ""],
  ["access-control-allow-origin", ""], ["age", ""], ["allow", ""], ["authorization", ""], ["cache-control", ""],
  ["content-disposition", ""], ["content-encoding", ""], ["content-language", ""], ["content-length", ""],
  ["content-location", ""], ["content-range", ""], ["content-type", ""], ["cookie", ""], ["date", ""], ["etag", ""],
  ["expect", ""], ["expires", ""], ["from", ""], ["host", ""], ["if-match", ""], ["if-modified-since", ""],
  ["if-none-match", ""], ["if-range", ""], ["if-unmodified-since", ""], ["last-modified", ""], ["link", ""],
  ["location", ""], ["max-forwards", ""], ["proxy-authenticate", ""], ["proxy-authorization", ""], ["range", ""],
  ["referer", ""], ["refresh", ""], ["retry-after", ""], ["server", ""], ["set-cookie", ""],
  ["strict-transport-security", ""], ["transfer-encoding", ""], ["user-agent", ""], ["vary", ""], ["via", ""],
  ["www-authenticate", ""]
]

/** Size of a field in a table and in a header list (RFC 7541, 4.1). */
export const fieldBytes = (name: string, value: string): number => name.length + value.length + 32

/** The default size of a dynamic table, used in both directions. */
export const tableBytes = 4096
