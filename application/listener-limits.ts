/** Bytes of one file with certificates or a key. */
export const tlsFileBytesMax = 1024 * 1024

/**
 * What one peer may ask of the listener. Every number here answers an attack or an accident that a public port meets:
 * a client that opens and says nothing, one that sends a byte a second, one that resets what it just asked for.
 */
export const listenerLimits = {
  /**
   * Open TCP connections of the process; one more is closed as soon as it is accepted. Of these, of requests and of bytes
   * one address gets up to nine times what is free: nine tenths alone, and less the more others there are.
   */
  connectionsMax: 20_000,
  /** Requests that are begun and not over, streams among them; one more is refused, and may be sent again. */
  requestsMax: 10_000,
  /** From the accept to the byte that tells HTTP/1.1 from HTTP/2, and from there to the first frame. */
  firstBytesMsMax: 10_000,
  /** From the accept to the end of the TLS handshake. */
  handshakeMsMax: 10_000,
  /** From the first byte of a request to the end of its headers. */
  headersMsMax: 15_000,
  /** From the first byte of a request to the last of its body: also the longest that a client stream may last. */
  requestMsMax: 120_000,
  /** How often connections are looked at for what takes too long. */
  lateCheckMs: 1_000,
  /** An HTTP/1.1 connection without a request. Above the 60 s for which common load balancers keep one. */
  keepAliveMs: 75_000,
  /** An HTTP/2 session without a frame and without a stream. gRPC clients reconnect by themselves on the next call. */
  sessionIdleMs: 300_000,
  /** A silent connection is probed, so that a peer that vanished does not hold its place for ever. */
  tcpProbeAfterMs: 60_000,
  headerBytesMax: 16_384,
  headersMax: 100,
  /**
   * One compressed header block of HTTP/2. A request whose headers exceed the two limits above is refused alone; one
   * whose block exceeds this one ends its connection. More than the 60 KiB that common proxies pass on.
   */
  headerBlockBytesMax: 65_536,
  /** The rest of an HTTP/1.1 request that was answered early: read and thrown away up to here, then cut. */
  unreadBodyBytesMax: 33_554_432,
  /** How long an HTTP/2 request that was answered early may go on being sent. */
  unreadLingerMs: 1_000,
  /** Streams that one HTTP/2 session has open at once. Its client holds further ones back by itself, without an error. */
  streamsPerSessionMax: 1_000,
  /** What one stream may send before it is read. */
  streamWindowBytes: 262_144,
  /** The same for all streams of a session together: so much of what it sends is held at most. */
  sessionWindowBytes: 8_388_608,
  /**
   * What all connections hold of requests that are not complete or not answered, and of answers that their clients do not
   * take. Above it no request is begun, and what has not moved for the longest is given up.
   */
  sessionsHeldBytesMax: 268_435_456,
  /** How long a request waits for its client to read the answers to earlier ones; then it is refused. */
  requestWaitMsMax: 5_000,
  /** Milliseconds for which one connection, one address, and all that waits for its turn may keep the processor in one turn. */
  connectionTurnMsMax: 2,
  addressTurnMsMax: 5,
  waitingTurnMsMax: 10,
  /** How long a complete answer, or anything that was written to a connection, waits for a client that takes none of it. */
  unreadMsMax: 120_000,
  /** Answers that a client has not read yet; above it none of its requests on that connection is begun. */
  heldBytesMax: 1_048_576,
  /** The window in which the limits below count; who goes over one loses the session. */
  floodWindowMs: 10_000,
  /** Streams of one session that ended before their answers, reset by either side (CVE-2023-44487, CVE-2025-8671). */
  resetsPerWindowMax: 1_000,
  /** And so many more for each frame of an answer in that window, since some clients ping for every burst that they get. */
  pingsPerWindowMax: 500,
  pingsPerAnswerMax: 2,
  settingsPerWindowMax: 100,
  /**
   * Frames that do nothing: of unknown types, empty, about windows, priorities or streams that are gone. And so many more
   * for each frame of an answer in that window.
   */
  idleFramesPerWindowMax: 10_000,
  idleFramesPerAnswerMax: 4
} as const satisfies Record<string, number>
export type ListenerLimits = { readonly [Name in keyof typeof listenerLimits]: number }
