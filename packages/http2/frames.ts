// The constants of HTTP/2 that a server needs (RFC 9113, 6 and 7).

export const frameTypes = {
  data: 0,
  headers: 1,
  priority: 2,
  reset: 3,
  settings: 4,
  promise: 5,
  ping: 6,
  goAway: 7,
  windowUpdate: 8,
  continuation: 9
} as const

export const flags = { ack: 0x1, endStream: 0x1, endHeaders: 0x4, padded: 0x8, priority: 0x20 } as const

export const codes = {
  noError: 0,
  protocol: 1,
  internal: 2,
  flowControl: 3,
  streamClosed: 5,
  frameSize: 6,
  refused: 7,
  cancel: 8,
  compression: 9,
  enhanceYourCalm: 11
} as const
export type Code = number

export const settings = {
  headerTableSize: 1,
  enablePush: 2,
  maxConcurrentStreams: 3,
  initialWindowSize: 4,
  maxFrameSize: 5,
  maxHeaderListSize: 6
} as const

export const frameHeaderBytes = 9
/** The default SETTINGS_MAX_FRAME_SIZE. No larger frame is sent or accepted. */
export const frameBytesMax = 16_384
/** The initial size of a window, and the maximum. */
export const windowBytes = 65_535
export const windowBytesMax = 2 ** 31 - 1

/** The client connection preface (RFC 9113, 3.4), which no HTTP/1.1 request can start with. */
export const preface = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "latin1")

/** Ends the connection: the peer broke the protocol, or exceeded a limit. */
export class ConnectionError extends Error {
  readonly code: Code

  constructor(code: Code, message: string) {
    super(message)
    this.code = code
  }
}

/** The payload of a DATA or HEADERS frame without padding. Throws when the padding exceeds the frame (RFC 9113, 6.1). */
export const unpadded = (flag: number, payload: Buffer): Buffer => {
  if ((flag & flags.padded) === 0) return payload
  const padding = payload[0]
  if (padding === undefined || padding >= payload.length) throw new ConnectionError(codes.protocol, "padding too long")
  return payload.subarray(1, payload.length - padding)
}

/** Below this many bytes, a DATA frame or a WINDOW_UPDATE increment counts against a flood limit. */
export const tinyBytes = 32

export const windowTooLarge = new ConnectionError(codes.flowControl, "a window above 2^31-1")
