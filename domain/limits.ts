/** What the model accepts. These are part of the contract with every store; operational limits are in application. */

/** Bytes of UTF-8 in a domain, type or key. */
export const nameBytesMax = 255
/** Bytes of an entity's values, as JSON. */
export const valuesBytesMax = 1024 * 1024
/** How deep values may nest; the outermost object counts as 1. */
export const valuesDepthMax = 64
/** Bytes of the claims that an event carries, as JSON. */
export const claimsBytesMax = 8 * 1024
/** Bytes of UTF-8 in an idempotency key. */
export const idempotencyKeyBytesMax = 255
/** Commands in one Apply. */
export const applyCommandsMax = 1000
/** Bytes of the events that one Apply makes, as JSON: they are its reply, and clients refuse 4 MiB. */
export const applyBytesMax = 3.5 * 1024 * 1024
/** Bytes of an encoded cursor: it travels in a header, and Node refuses 16 KiB of headers. */
export const cursorBytesMax = 4 * 1024
/** Bytes of UTF-8 in a glob. */
export const globBytesMax = 1024
