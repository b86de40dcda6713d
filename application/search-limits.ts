// Searches; the others, and these as well, come from limits.ts.

/** Bytes of the items of one page, as JSON. Clients refuse messages of 4 MiB. */
export const pageBytesMax = 3.5 * 1024 * 1024
/** Items of one page. */
export const pageItemsMax = 1000
/** Items that an offset may skip: what is further is reached by page tokens. */
export const pageOffsetMax = 10_000
/** Bytes of a page token: it travels in URLs, and Node refuses 16 KiB of headers. */
export const pageTokenBytesMax = 2 * 1024
/** Bytes of UTF-8 that a page token holds of the text which its item is sorted by; of a longer one it holds a hash. */
export const pageTokenTextBytesMax = 1024
/** Pages of which a policy may withhold every item before a search that goes on past them is refused. */
export const withheldPagesMax = 10
/** Rows that a store looks at to answer one search that no index answers. */
export const scanRowsMax = 100_000
/** Milliseconds that a search may run before other work gets a turn; a single row may take longer. */
export const scanSliceMs = 10
/** Characters of the texts that one search may have to sort by. */
export const sortTextCharsMax = 16 * 1024 * 1024
