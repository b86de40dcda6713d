import { ByteReader, type Bytes, base64Url, fromBase64Url, text, varint } from "./bytes.ts"
import { cursorBytesMax } from "./limits.ts"

/** Where a reader stands in the log of one domain. */
export interface StreamPosition {
  /** Which log: 16 hex digits, see `Head.incarnation`. */
  readonly incarnation: string
  /** The last position seen; 0 when none was. */
  readonly position: bigint
  /** The last 8 hex digits of the id of the event there; "" at 0. Tells a log that was rewound and written anew. */
  readonly eventId: string
}

/** The domains, types and keys that a stream covers, as globs. */
export interface Selection {
  readonly domain: string
  readonly type: string
  readonly key: string
}

/**
 * Where a stream stands: its position in every domain that it covers, quiet ones too. A domain that is not listed is newer
 * than the cursor and is read from its first event.
 */
export interface Cursor {
  readonly selection: Selection
  /** Events before this time are left out: the stream was opened before it. */
  readonly since?: bigint
  readonly positions: ReadonlyMap<string, StreamPosition>
}

/** The part of an event id that positions keep: its end, since ids may begin with the time. */
export const shortId = (eventId: string): string => eventId.slice(-8)

const format = 1
/** The same, with the time since which the stream wants events behind the selection. */
const formatSince = 2

/** Eight digits. */
const hex = (value: string): Bytes => {
  const number = Number.parseInt(value, 16)
  return String.fromCharCode(number >>> 24, (number >>> 16) & 255, (number >>> 8) & 255, number & 255)
}

/** The bytes of what a stream covers, with which every cursor of it begins. */
export const selectionBytes = ({ domain, type, key }: Selection, since?: bigint): Bytes =>
  String.fromCharCode(since === undefined ? format : formatSince) +
  text(domain) +
  text(type) +
  text(key) +
  (since === undefined ? "" : varint(since))

/** The first bytes of every position in a log. */
export const logBytes = (domain: string, incarnation: string): Bytes =>
  text(domain) + hex(incarnation.slice(0, 8)) + hex(incarnation.slice(8))

/** The other bytes of a position. Streams keep the first, and renew only these. */
export const positionBytes = ({ position, eventId }: Pick<StreamPosition, "position" | "eventId">): Bytes =>
  position === 0n ? varint(0n) : varint(position) + hex(eventId)

export const streamPositionBytes = (domain: string, position: StreamPosition): Bytes =>
  logBytes(domain, position.incarnation) + positionBytes(position)

/** Cursor text from its bytes: URL-safe base64, since it travels in headers, in URLs and as an SSE id. */
export const cursorText = base64Url

export const encodeCursor = (cursor: Cursor): string =>
  cursorText(
    [...cursor.positions].reduce(
      (bytes, [domain, position]) => bytes + streamPositionBytes(domain, position),
      selectionBytes(cursor.selection, cursor.since)
    )
  )

/** The cursor that a text stands for, or undefined for any text that `encodeCursor` cannot have made. */
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
    // The same bytes can be written in other ways, such as with a domain twice or a longer number: none of them is ours.
    const cursor = { selection, ...since, positions }
    return encodeCursor(cursor) === encoded ? cursor : undefined
  } catch {
    return undefined
  }
}
