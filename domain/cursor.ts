import { ByteReader, type Bytes, base64Url, fromBase64Url, text, varint } from "./bytes.ts"
import { cursorBytesMax } from "./limits.ts"

/** The position of a stream in the log of one domain. */
export interface StreamPosition {
  /** The incarnation of the log, 16 hex digits; see `Head.incarnation`. */
  readonly incarnation: string
  /** The position of the last event that was seen; 0 before the first. */
  readonly position: bigint
  /** The last 8 hex digits of that event's id; "" at position 0. They reveal a log that was rewound and continued. */
  readonly eventId: string
}

/** The domains, types and keys that a stream covers, as globs. */
export interface Selection {
  readonly domain: string
  readonly type: string
  readonly key: string
}

/**
 * The positions of a stream in all domains that it covers, including those without new events. A domain that is not
 * listed is newer than the cursor; the stream reads it from its first event.
 */
export interface Cursor {
  readonly selection: Selection
  /** The stream skips events before this time, which lay in the future when the stream was opened. */
  readonly since?: bigint
  readonly positions: ReadonlyMap<string, StreamPosition>
}

/** The part of an event id that stream positions keep: its end, since ids may begin with the time. */
export const shortId = (eventId: string): string => eventId.slice(-8)

const format = 1
/** As `format`, with the `since` time after the selection. */
const formatSince = 2

/** Four bytes from eight hex digits. */
const hex = (value: string): Bytes => {
  const number = Number.parseInt(value, 16)
  return String.fromCharCode(number >>> 24, (number >>> 16) & 255, (number >>> 8) & 255, number & 255)
}

/** The encoded selection, with which every cursor begins. */
export const selectionBytes = ({ domain, type, key }: Selection, since?: bigint): Bytes =>
  String.fromCharCode(since === undefined ? format : formatSince) +
  text(domain) +
  text(type) +
  text(key) +
  (since === undefined ? "" : varint(since))

/** The first part of an encoded stream position: the domain and the incarnation. */
export const logBytes = (domain: string, incarnation: string): Bytes =>
  text(domain) + hex(incarnation.slice(0, 8)) + hex(incarnation.slice(8))

/** The second part of an encoded stream position, which changes while a stream advances. */
export const positionBytes = ({ position, eventId }: Pick<StreamPosition, "position" | "eventId">): Bytes =>
  position === 0n ? varint(0n) : varint(position) + hex(eventId)

export const streamPositionBytes = (domain: string, position: StreamPosition): Bytes =>
  logBytes(domain, position.incarnation) + positionBytes(position)

/** The text of a cursor: URL-safe base64, since it travels in headers, in URLs and as an SSE id. */
export const cursorText = base64Url

export const encodeCursor = (cursor: Cursor): string =>
  cursorText(
    [...cursor.positions].reduce(
      (bytes, [domain, position]) => bytes + streamPositionBytes(domain, position),
      selectionBytes(cursor.selection, cursor.since)
    )
  )

/** Decodes a cursor; undefined for any text that `encodeCursor` cannot have made. */
export const decodeCursor = (encoded: string): Cursor | undefined => {
  const bytes = encoded.length > cursorBytesMax ? undefined : fromBase64Url(encoded)
  if (bytes === undefined) return undefined
  const reader = new ByteReader(bytes)
  try {
    const version = reader.byte()
    if (version !== format && version !== formatSince) return undefined
    const selection = { domain: reader.text(), type: reader.text(), key: reader.text() }
    const since = version === formatSince ? { since: reader.varint() } : {}
    const positions = new Map<string, StreamPosition>()
    while (!reader.atEnd) {
      const domain = reader.text()
      const incarnation = reader.hex(8)
      const position = reader.varint()
      positions.set(domain, { incarnation, position, eventId: position > 0n ? reader.hex(4) : "" })
    }
    // Reject other encodings of the same cursor, such as a repeated domain or a longer varint.
    const cursor = { selection, ...since, positions }
    return encodeCursor(cursor) === encoded ? cursor : undefined
  } catch {
    return undefined
  }
}
