/** Every bound of a running gateway in one place, each with its unit. What the model accepts comes along from the domain. */
export * from "../domain/limits.ts"

// Requests

/** Bytes of one request message, decoded or not. */
export const requestBytesMax = 4 * 1024 * 1024
/** Bytes of the items of one page, as JSON. Clients refuse messages of 4 MiB. */
export const pageBytesMax = 3.5 * 1024 * 1024
/** Items of one page. */
export const pageItemsMax = 1000
/** Items that an offset may skip: what is further is better reached by a filter. */
export const pageOffsetMax = 10_000
/** Rows that a store looks at to answer one search that no index answers. */
export const scanRowsMax = 100_000
/** Milliseconds that a call may take when its caller sets no deadline, and the most that a caller gets. */
export const callMsMax = 60_000
/** Bytes of a call id (`x-request-id`) that a caller brings. */
export const callIdBytesMax = 128

// Committing

/** Jobs that wait for a commit, over all domains. */
export const queuedJobsMax = 10_000
/** Bytes of the jobs that wait for a commit, over all domains. */
export const queuedBytesMax = 64 * 1024 * 1024
/** Events in one commit, whatever more the store would take. */
export const commitEventsMax = 1000
/** Bytes in one commit, whatever more the store would take. */
export const commitBytesMax = 8 * 1024 * 1024
/** Times that a store decides a commit anew before it calls itself unavailable. */
export const commitTriesMax = 100

// Streaming

/** Streams open at once in one process. */
export const streamsMax = 10_000
/** Events that the feed keeps of each streamed domain, for streams that read along. */
export const tailEventsMax = 4096
/** Bytes of values that the feed keeps over all domains. */
export const tailBytesMax = 64 * 1024 * 1024
/** Events in one read of the log. */
export const logPageEventsMax = 512
/** Bytes of values in one read of the log. */
export const logPageBytesMax = 4 * 1024 * 1024
/** Milliseconds between looks at the heads, for streams of domains by name. */
export const headsPollMs = 1_000
/** Milliseconds between looks at the heads, for streams of domains by glob while the channel is healthy. */
export const headsPollWideMs = 5_000
/** Milliseconds of silence after which a stream says that it is alive, and where it stands. */
export const heartbeatMs = 15_000
/** Milliseconds after which a browser reconnects a stream that was cut. */
export const reconnectMs = 2_000
