/** Bounds of one request and its answer. Use them from limits.ts. */

/** Bytes of one request message, decoded or not. */
export const requestBytesMax = 4 * 1024 * 1024
/**
 * Keys and values in one request message: an entry of a list is one, an entry of an object two, and on the wire of
 * protocol buffers each is two fields. Each becomes an object, which takes many times the two bytes that it may come in.
 */
export const requestValuesMax = 131_072
/** How many times larger than what was sent a compressed message may be, unless it is small. */
export const decompressedRatioMax = 100
/** Bytes up to which a message may be whatever times larger than what was sent. */
export const decompressedSmallBytes = 256 * 1024
/** Keys and values in one compressed message, and more of them for each byte that was sent. */
export const decompressedValuesSmall = 8_192
export const decompressedValuesPerByte = 16
/** Messages that are decompressed at once; others wait for their turn. */
export const decompressionsAtOnceMax = 4
/** Messages that wait to be decompressed. */
export const decompressionsWaitingMax = 1_000
/** Milliseconds that a call may take when its caller sets no deadline, and the most that a caller gets. */
export const callMsMax = 60_000
/** Violations that one answer lists: they travel in headers, which clients limit. */
export const violationsMax = 32
/** Characters of a message about what went wrong. */
export const statusMessageCharsMax = 1024
/** Bytes of a call id (`x-request-id`) that a caller brings. */
export const callIdBytesMax = 128
