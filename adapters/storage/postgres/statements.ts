import { headsSliceMax, logPageBytesMax } from "../../../application/limits.ts"
import { type Event, methods } from "../../../domain/event.ts"
import { jsonText } from "../../../domain/json.ts"
import type { Param } from "./filter.ts"

// The statements that never change: each connection prepares them once. A domain is looked up by its name within each,
// so that no id outlives the moment in which it was read.

/** The columns of an event, and their types. */
const eventTypes = {
  position: "bigint",
  id: "text",
  time: "bigint",
  method: "text",
  type: "text",
  key: "text",
  version: "bigint",
  values: "text",
  claims: "text",
  caller: "text",
  request_id: "text",
  request_hash: "text",
  traceparent: "text",
  erased: "boolean"
} as const
type EventColumn = keyof typeof eventTypes
const eventColumns = Object.keys(eventTypes) as ReadonlyArray<EventColumn>

const listed = (columns: ReadonlyArray<string>, of = ""): string =>
  columns.map((column) => `${of}"${column}"`).join(", ")

/** The columns of an event of a table by this name. */
export const eventFields = (of: string): string => listed(eventColumns, `${of}.`)

const domainFields = "id, name, incarnation, position, time, event_id"
const idOf = (name: string): string => `(SELECT id FROM domains WHERE name = ${name}::text)`

export const begin = "BEGIN ISOLATION LEVEL READ COMMITTED"

/** In the order of names, as in every gateway, so that no two wait for each other. */
export const addDomains = `
  INSERT INTO domains (name, incarnation, position, time, event_id, moved)
  SELECT name, incarnation, 0, 0, '', pg_current_xact_id()
  FROM unnest($1::text[], $2::text[]) AS new (name, incarnation)
  WHERE NOT EXISTS (SELECT FROM domains AS old WHERE old.name = new.name)
  ORDER BY name COLLATE "C" ON CONFLICT (name) DO NOTHING`

const lock = `
  SELECT ${domainFields}, pg_current_xact_id()::text AS transaction
  FROM domains WHERE name = ANY($1::text[]) ORDER BY name FOR UPDATE`
/** In the order of names, each as soon as nobody else has it. */
export const lockDomains = lock
/** Those that nobody else has. */
export const lockFreeDomains = `${lock} SKIP LOCKED`

// LATERAL and OFFSET 0 keep a planner without statistics from looking through all domains.

export const statesOf = `
  SELECT d.name AS domain, e.*
  FROM unnest($1::text[], $2::text[], $3::text[]) AS wanted (domain, type, key)
  JOIN domains AS d ON d.name = wanted.domain
  CROSS JOIN LATERAL (
    SELECT type, key, version, deleted, "values" FROM entities
    WHERE domain = d.id AND type = wanted.type AND key = wanted.key OFFSET 0
  ) AS e`

export const rememberedOf = `
  SELECT d.name AS domain, e.*
  FROM unnest($1::text[], $2::text[], $3::text[]) AS wanted (domain, caller, request_id)
  JOIN domains AS d ON d.name = wanted.domain
  CROSS JOIN LATERAL (
    SELECT ${eventFields("events")} FROM events
    WHERE domain = d.id AND request_id = wanted.request_id AND caller = wanted.caller OFFSET 0
  ) AS e
  ORDER BY e.position`

/**
 * All that a commit writes. Of several events of one entity only the last state is kept. It does nothing unless it runs
 * in the transaction that holds the locks, $1: neither in one that came after it, nor in none.
 */
export const write = `
  WITH batch AS (
    SELECT * FROM unnest($3::bigint[], ${eventColumns.map((column, i) => `$${i + 4}::${eventTypes[column]}[]`).join(", ")})
      AS event (domain, ${listed(eventColumns)})
    WHERE pg_current_xact_id_if_assigned() = $1::text::xid8
  ), unused AS (
    DELETE FROM domains
    WHERE id = ANY($2::bigint[]) AND position = 0 AND pg_current_xact_id_if_assigned() = $1::text::xid8
  ), added AS (
    INSERT INTO events (domain, ${listed(eventColumns)}) SELECT * FROM batch
  ), changed AS (
    INSERT INTO entities (domain, type, key, version, deleted, "values")
    SELECT DISTINCT ON (domain, type, key) domain, type, key, version, method = '${methods.del}', "values"
    FROM batch ORDER BY domain, type, key, position DESC
    ON CONFLICT (domain, type, key) DO UPDATE
    SET version = excluded.version, deleted = excluded.deleted, "values" = excluded."values"
  )
  UPDATE domains SET position = last.position, time = last.time, event_id = last.id, moved = pg_current_xact_id()
  FROM (SELECT DISTINCT ON (domain) domain, position, time, id FROM batch ORDER BY domain, position DESC) AS last
  WHERE domains.id = last.domain`

const parameters: Readonly<Record<EventColumn, (event: Event) => Param>> = {
  position: ({ position }) => position,
  id: ({ id }) => id,
  time: ({ time }) => time,
  method: ({ method }) => method,
  type: ({ entity }) => entity.type,
  key: ({ entity }) => entity.key,
  version: ({ entity }) => entity.version,
  values: ({ entity }) => jsonText(entity.values),
  claims: ({ claims }) => jsonText(claims),
  caller: ({ idempotency }) => idempotency?.caller ?? null,
  request_id: ({ idempotency }) => idempotency?.key ?? null,
  request_hash: ({ idempotency }) => idempotency?.hash ?? null,
  traceparent: ({ traceparent }) => traceparent ?? null,
  erased: ({ erased }) => erased
}

/** Events as `write` takes them, a list for each column. */
export const columnsOf = (events: ReadonlyArray<Event>): ReadonlyArray<ReadonlyArray<Param>> =>
  eventColumns.map((column) => events.map(parameters[column]))

export const eventAt = `
  SELECT FROM events WHERE domain = ${idOf("$1")} AND position = $2::bigint AND id = $3::text`

export const domainByName = `SELECT ${domainFields} FROM domains WHERE name = $1::text`
export const domainsFrom = `
  SELECT ${domainFields} FROM domains WHERE name >= $1::text AND name > $2::text
  ORDER BY name LIMIT ${headsSliceMax}`

export const entity = `
  SELECT type, key, version, deleted, "values" FROM entities
  WHERE domain = ${idOf("$1")} AND type = $2::text AND key = $3::text`

export const entitiesBehind = `
  SELECT type, key, version, deleted, "values" FROM entities
  WHERE domain = ${idOf("$1")} AND (type, key) > ($2::text, $3::text) ORDER BY type, key LIMIT $4::int`

/** Entities become what is given from $4 on; those whose types and keys are $2 and $3 go. */
export const restate = `
  WITH gone AS (
    DELETE FROM entities USING unnest($2::text[], $3::text[]) AS ref (type, key)
    WHERE domain = ${idOf("$1")} AND entities.type = ref.type AND entities.key = ref.key
  )
  INSERT INTO entities (domain, type, key, version, deleted, "values")
  SELECT domains.id, state.* FROM domains,
    unnest($4::text[], $5::text[], $6::bigint[], $7::boolean[], $8::text[]) AS state
  WHERE name = $1::text
  ON CONFLICT (domain, type, key) DO UPDATE
  SET version = excluded.version, deleted = excluded.deleted, "values" = excluded."values"`

const eventWhere = (where: string): string =>
  `SELECT ${eventFields("events")} FROM events
   WHERE domain = ${idOf("$1")} AND type = $2::text AND key = $3::text AND ${where}`
export const eventByVersion = eventWhere("version = $4::bigint")
export const eventById = eventWhere("id = $4::text")

/** Two events are always given: a stream knows the first one, by which it sees that the log is still the same. */
export const eventsAfter = `
  SELECT ${eventFields("page")} FROM (
    SELECT *, row_number() OVER place AS nth, sum(octet_length("values")) OVER place AS bytes
    FROM events WHERE domain = ${idOf("$1")} AND position > $2::bigint
    WINDOW place AS (ORDER BY position) ORDER BY position LIMIT $3::int
  ) AS page WHERE nth <= 2 OR bytes <= ${logPageBytesMax} ORDER BY position`

const bornAt = "extract(epoch FROM pg_postmaster_start_time())::text"
const token = `concat_ws('/', ${bornAt}, extract(epoch FROM clock_timestamp()), pg_current_snapshot())`

/** Which server it is, when, and what can be seen now. */
export const tokenOfNow = `SELECT ${token} AS token`

/**
 * The heads whose last mover could not be seen when the token was made: of a commit it does not matter how early its transaction
 * began nor how late it ended, since a head moves only after its last move is visible. So no head is missed, and none
 * that was there is repeated.
 *
 * Numbers of transactions are all that this rests on, and a server that crashed, or another that took its place, may
 * give some of them once more. A crash ends every session: only in one that is older than the token it stands for what
 * could be seen, and in others for nothing, so that all heads are answered.
 */
export const domainsSince = `
  SELECT now.token, ${domainFields}
  FROM (
    SELECT ${token} AS token, CASE
      WHEN split_part($1::text, '/', 1) = ${bornAt}
        AND (SELECT extract(epoch FROM backend_start) FROM pg_stat_get_activity(pg_backend_pid()))
          <= split_part($1::text, '/', 2)::numeric
      THEN split_part($1::text, '/', 3) ELSE '1:1:' END::pg_snapshot AS since
  ) AS now
  LEFT JOIN domains ON moved >= pg_snapshot_xmin(since) AND NOT pg_visible_in_snapshot(moved, since)`

/** The server's clock, in milliseconds. */
export const clock = "SELECT (extract(epoch FROM clock_timestamp()) * 1000)::float8 AS now"
