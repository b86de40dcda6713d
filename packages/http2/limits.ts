/** Limits for one connection and for all of them together. The caller chooses the numbers. */
export interface Http2Limits {
  /** Milliseconds from the accept to the first frame. */
  readonly firstBytesMsMax: number
  /** Milliseconds from the first frame of a header block to its end. */
  readonly headersMsMax: number
  /** Milliseconds from the first byte of a request to the last of its body. */
  readonly requestMsMax: number
  /** Milliseconds between two checks of all timeouts. */
  readonly lateCheckMs: number
  /** Milliseconds that a connection may last without a stream or a frame. */
  readonly sessionIdleMs: number
  /** Bytes of a header list (RFC 9113, 6.5.2). A request with more is refused, and its connection goes on. */
  readonly headerBytesMax: number
  readonly headersMax: number
  /** Bytes of one compressed header block. A longer one ends its connection, since later blocks depend on it. */
  readonly headerBlockBytesMax: number
  /** Milliseconds that a client may go on sending a request that was answered early. */
  readonly unreadLingerMs: number
  readonly streamsPerSessionMax: number
  /** Receive window of a stream, in bytes. */
  readonly streamWindowBytes: number
  /** Receive window of a connection, in bytes. */
  readonly sessionWindowBytes: number
  /** Bytes of memory that all connections together hold for their peers, unless the listener has its own budget. */
  readonly sessionsHeldBytesMax: number
  /** Milliseconds that a complete answer waits for a client that reads none of it. */
  readonly unreadMsMax: number
  /** Milliseconds that a request waits until its client has read earlier answers; then it is refused. */
  readonly requestWaitMsMax: number
  /** Unread bytes of answers above which a connection starts no further request. */
  readonly heldBytesMax: number
  /** Milliseconds of the window in which the flood limits below count. */
  readonly floodWindowMs: number
  /** Streams reset by either side before their answers (CVE-2023-44487, CVE-2025-8671). */
  readonly resetsPerWindowMax: number
  /** PING frames. */
  readonly pingsPerWindowMax: number
  /** PING frames that are allowed in addition for each frame of an answer. */
  readonly pingsPerAnswerMax: number
  /** SETTINGS frames, acknowledgements included. */
  readonly settingsPerWindowMax: number
  /** Frames without effect: unknown types, empty ones, priorities, closed streams. WINDOW_UPDATE counts as well. */
  readonly idleFramesPerWindowMax: number
  /** Such frames that are allowed in addition for each frame of an answer. */
  readonly idleFramesPerAnswerMax: number
}
