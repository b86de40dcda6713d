/** What one peer may ask of a connection, and all connections together. Whoever opens them chooses the numbers. */
export interface Http2Limits {
  /** From the accept to the first frame. */
  readonly firstBytesMsMax: number
  /** From the first frame of a header block to its end. */
  readonly headersMsMax: number
  /** From the first byte of a request to the last of its body. */
  readonly requestMsMax: number
  /** How often connections are checked for what takes too long. */
  readonly lateCheckMs: number
  /** A connection without a frame and without a stream. */
  readonly sessionIdleMs: number
  /** Bytes of a header list (RFC 9113, 6.5.2). A request with more is refused, and its connection goes on. */
  readonly headerBytesMax: number
  readonly headersMax: number
  /** Bytes of one compressed header block. A longer one ends its connection, which could not be read further without it. */
  readonly headerBlockBytesMax: number
  /** How long a request that was answered early may go on being sent. */
  readonly unreadLingerMs: number
  readonly streamsPerSessionMax: number
  /** What one stream may send before it is read. */
  readonly streamWindowBytes: number
  /** The same for all streams of a connection together. */
  readonly sessionWindowBytes: number
  /** Bytes that all connections together hold for their peers, where the listener does not bound them. */
  readonly sessionsHeldBytesMax: number
  /** How long a complete answer waits for a client that takes none of it. */
  readonly unreadMsMax: number
  /** How long a request waits for its client to read the answers to those before it; then it is refused. */
  readonly requestWaitMsMax: number
  /** Bytes of answers that the peer has not read: above it no further request of a connection is begun. */
  readonly heldBytesMax: number
  /** The window in which the limits below count. */
  readonly floodWindowMs: number
  /** Streams that ended before their answers, whoever ended them (CVE-2023-44487, CVE-2025-8671). */
  readonly resetsPerWindowMax: number
  /** And so many more for each frame of an answer in that window. */
  readonly pingsPerWindowMax: number
  readonly pingsPerAnswerMax: number
  readonly settingsPerWindowMax: number
  /** Frames that do nothing: of unknown types, empty, about priorities or closed streams. */
  readonly idleFramesPerWindowMax: number
  /** WINDOW_UPDATE counts as well, and a client sends a few for each frame that it gets. */
  readonly idleFramesPerAnswerMax: number
}
