/** Every bound of a running gateway in one place, each with its unit. What the model accepts comes along from the domain. */
export * from "../domain/limits.ts"
export * from "./auth-limits.ts"
export * from "./listener-limits.ts"
export * from "./request-limits.ts"
export * from "./search-limits.ts"

// Committing

/** Jobs that wait for a commit, over all domains. */
export const queuedJobsMax = 10_000
/** Bytes of memory of the jobs that wait for a commit, over all domains: of their values as objects and as text. */
export const queuedBytesMax = 64 * 1024 * 1024
/** Events in one commit, whatever more the store would take. */
export const commitEventsMax = 1000
/** Bytes in one commit, whatever more the store would take. */
export const commitBytesMax = 8 * 1024 * 1024
/**
 * Bytes in one commit that is stored as one record. Escaped, and with its callers' names in each event, the record may
 * take three times as many; document databases take 16 MB.
 */
export const recordBytesMax = 4 * 1024 * 1024
/** Milliseconds without progress after which a commit counts as stalled, and jobs that wait for it fail. */
export const commitMsMax = 3_000
/** Milliseconds between checks for stalled commits. */
export const commitCheckMs = 250
/** Units of one commit that a store without transactions works on at once. */
export const batchesAtOnceMax = 16
/** Commits of one domain each that one gateway has in flight at once. */
export const recordCommitsMax = 64
/** Times that a commit may find another record at its position, and milliseconds until it gives up. */
export const recordTriesMax = 256
export const recordCommitMsMax = 30_000
/** The least average, in milliseconds, that claim slots are made of. */
export const claimSlotMsMin = 2
/** Milliseconds for which a commit waits for the slots of other gateways while none of them commits. */
export const claimSlotWaitMsMax = 1_500
/** Rounds of all contenders after which one that commits nothing any more counts as gone. */
export const contenderRounds = 4
/** Domains of which a gateway remembers the contenders. */
export const contenderDomainsMax = 10_000
/** Milliseconds assumed for a commit of another gateway before any was measured, and at most. */
export const peerCommitMs = 50
export const peerCommitMsMax = 1_000
/** Milliseconds between tries to learn the outcome of a write, at first and at most, and until it stays unknown. */
export const outcomeRetryMs = 10
export const outcomeRetryMsMax = 500
export const outcomeUnknownAfterMs = 10_000
/** Bytes of values that wait to be announced. Events beyond it are not announced; streams find them in the log. */
export const announcingBytesMax = 16 * 1024 * 1024
/** Milliseconds that a gateway which stops gives its channel for the last announcements. */
export const announcingEndMs = 1_000

// Databases on the network

/** Connections to one database, unless its settings say otherwise. */
export const storeConnectionsMax = 32
/** Commits that one gateway has under way at once in a database. */
export const storeCommitsMax = 16
/** Milliseconds to find a server that takes writes, or a free connection; while there is none, calls fail after them. */
export const storeSelectMsMax = 1_000
/** Milliseconds for which a gateway that starts waits for its database. */
export const storeStartMsMax = 10_000
/** Milliseconds to connect to a server. */
export const storeConnectMsMax = 2_000
/** Milliseconds that one read or write may take in the database. */
export const storeCallMsMax = 5_000
/** Milliseconds of silence after which a connection that is waited for counts as broken. */
export const storeSilenceMsMax = 10_000
/** Milliseconds without any answer to calls after which a database is asked whether it is there. */
export const storeQuietMs = 1_000
/** Milliseconds between looks at how long it has been quiet, and while it is away, between questions. */
export const storeQuietCheckMs = 250
/** Milliseconds that it has for the answer. */
export const storeAskMsMax = 1_000
/** Milliseconds by which the clock of a gateway may differ from that of its database, and between two looks at both. */
export const clockOffMsMax = 500
export const clockCheckMs = 60_000
/** Milliseconds between two warnings that the clock lags the times in the log. */
export const clockLagWarnMs = 60_000
/** Milliseconds by which looks at what moved overlap: more than the clocks of a database's servers are apart. */
export const movedOverlapMs = 10_000
/** Milliseconds of silence after which the other end of a connection is asked whether it is still there. */
export const storeProbeAfterMs = 10_000
/** Calls that wait for a connection. */
export const storeWaitingMax = 1_000
/** Connections to one PostgreSQL, where each is a process, unless its settings say otherwise. */
export const postgresConnectionsMax = 16
/** Milliseconds for which a gateway that was halted in the middle of a transaction may hold its domains. */
export const transactionIdleMsMax = 2_000
/** Milliseconds to wait for a domain that another commit holds: longer than one may hold it that does nothing. */
export const headLockMsMax = 5_000
/** Milliseconds that a gateway which starts waits for another to make or change the tables. */
export const migrationWaitMs = 60_000
/** Events in one partition of a log in Cassandra, unless the keyspace was made with another number. */
export const cassandraBucketEvents = 1_000
/** Milliseconds after which a read of Cassandra that is not answered goes to one more server, in tables that are made. */
export const cassandraReadAgainMs = 100
/** Requests that one commit, or one read, has under way at once in Cassandra. */
export const cassandraRequestsMax = 32
/** Milliseconds between tries to reach a server of Cassandra that went away. */
export const storeReconnectMs = 250
/** Milliseconds between looks at what another gateway makes of a schema. */
export const schemaPollMs = 50
/** Types of entities that a gateway remembers having told of. */
export const knownTypesMax = 10_000
/** Queries by which an index answers one search; what would take more is looked at row by row. */
export const searchQueriesMax = 8
/** Times that a commit is tried which turns out not to have been stored, its connection having been lost. */
export const commitTriesMax = 2
/** Domains that one look for those of a glob takes at a time. */
export const headsSliceMax = 1_000
/** Terms by which an entity can be found through an index; one that has more is looked at whatever is asked for. */
export const indexTermsMax = 64

// An embedded database

/** Milliseconds to wait for another program that looks at the file of SQLite and is in the way. */
export const sqliteBusyMs = 250
/** Milliseconds between looks, of those who only read, at whether the path still names the files that are open. */
export const sqliteLookMs = 100

// Streaming

/** Streams open at once in one process. */
export const streamsMax = 10_000
/** Streams of health checks open at once: they are open to everyone. */
export const healthWatchersMax = 1000
/** Events that the feed keeps of each streamed domain, for streams that read along. */
export const tailEventsMax = 4096
/** Bytes of values that the feed keeps over all domains. */
export const tailBytesMax = 64 * 1024 * 1024
/** Events in one read of the log. */
export const logPageEventsMax = 512
/** Bytes of values in one read of the log: as many as are read, parsed and sent in a few milliseconds. */
export const logPageBytesMax = 256 * 1024
/**
 * Milliseconds that all streams together may use of one turn of the event loop; then sockets are looked at, and calls
 * served. One slice may begin just before that.
 */
export const streamTurnMs = 5
/**
 * Turns of the event loop that are left to everything else behind one whose time was used up: a new connection takes one
 * to be accepted and one to be read.
 */
export const streamRestTurns = 2
/** Milliseconds that one stream should use at a time; how many events fit into them is measured. */
export const streamSliceMs = 2.5
/** Events that one stream reads and sends at a time, at least (until their number is measured) and at most. */
export const sliceEventsMin = 16
export const sliceEventsMax = logPageEventsMax
/** Milliseconds between looks at the heads, for streams of domains by name. */
export const headsPollMs = 1_000
/** Milliseconds between looks at the heads, for streams of domains by glob while the channel is healthy. */
export const headsPollWideMs = 5_000
/**
 * Milliseconds until the feed asks again about a domain of which the store contradicts itself: the first time at once,
 * then after this pause, which doubles, and at most. Each pause is a quarter shorter or longer, by chance.
 */
export const feedRetryMs = 10
export const feedRetryMsMax = 500
/** Milliseconds of silence after which a stream says that it is alive, and where it stands. */
export const heartbeatMs = 15_000
/** Milliseconds after which a browser reconnects a stream that was cut. */
export const reconnectMs = 2_000

// Logs

/** Characters of log lines that are held before they are written. */
export const logHeldCharsMax = 32 * 1024
/** Milliseconds after which they are written however few they are. */
export const logHeldMs = 50
/** Characters of log lines in memory while nobody reads them; further lines are dropped, and counted. */
export const logWaitingCharsMax = 1024 * 1024
/** Milliseconds until a terminal or a disk that had no room for log lines is tried again. */
export const logRetryMs = 10
/** Milliseconds for which a process that ends waits until its last lines are read. */
export const logLastMsMax = 1_000

// Operators

/** Calls that the span of one commit names. OpenTelemetry's own limit. */
export const spanLinksMax = 128
/** Milliseconds after which a store that has not answered counts as not ready. */
export const readinessMsMax = 2_000
/** Milliseconds for which an answer of the store to "are you there" counts. */
export const readinessMs = 1_000
/** Milliseconds for which readiness tells that a log went back in time: long enough for someone to look. */
export const rewoundMs = 3_600_000
/** Requests with spans that wait for a collector at once; what comes on top is lost. */
export const exportsAtOnceMax = 2
/** Seconds that one profile of the processor may take. */
export const profileSecondsMax = 60
/** Connections to the port for operators. */
export const opsConnectionsMax = 100

// What runs beside the calls

/** Milliseconds until what runs in the background goes on after a defect, and at most, where one follows another. */
export const backgroundRetryMs = 100
export const backgroundRetryMsMax = 10_000

// Maintenance: copying logs between stores, and rebuilding projections

/** Domains that one run looks at. */
export const maintenanceDomainsMax = 1_000_000
/** Domains that are copied at a time. */
export const maintenanceDomainsAtOnce = 4
/** How often a commit is tried again when a store is away, and milliseconds in between. */
export const maintenanceTries = 30
export const maintenanceRetryMs = 1_000
/** Events that are hashed at once. */
export const maintenanceHashedEvents = 256
/** Entities whose last positions are held at a time; more are looked at in several passes. */
export const maintenanceEntitiesMax = 1_000_000
/** Entities that are read at once to be compared. */
export const maintenanceReadsAtOnce = 16
