import { migrationWaitMs } from "../../../application/limits.ts"
import type { Opening } from "../../../application/ports/EventStore.ts"
import type { Client } from "./client.ts"

/**
 * Each entry brings a schema from the format before it to its own. An entry that was released is never changed, and none
 * takes away what an older version uses: a gateway that runs goes on when a newer one has started beside it.
 *
 * Names and other texts compare as bytes, whatever the database's collation is. Values are kept as the JSON they came
 * as: jsonb would reorder the keys, and write 1e308 with all its zeros. What searches for entities by index is an
 * expression over it.
 */
const migrations: ReadonlyArray<string> = [
  `
  CREATE TABLE domains (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text COLLATE "C" NOT NULL UNIQUE,
    incarnation text COLLATE "C" NOT NULL,
    position bigint NOT NULL,
    time bigint NOT NULL,
    event_id text COLLATE "C" NOT NULL,
    -- The transaction that moved the head last.
    moved xid8 NOT NULL
  );
  CREATE INDEX domains_by_moved ON domains (moved);

  CREATE TABLE entities (
    domain bigint NOT NULL,
    type text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL,
    version bigint NOT NULL,
    deleted boolean NOT NULL,
    "values" text COLLATE "C" NOT NULL,
    PRIMARY KEY (domain, type, key)
  );
  CREATE INDEX entities_by_value ON entities USING gin (("values"::jsonb) jsonb_path_ops) WHERE NOT deleted;

  CREATE TABLE events (
    domain bigint NOT NULL,
    position bigint NOT NULL,
    id text COLLATE "C" NOT NULL,
    time bigint NOT NULL,
    method text COLLATE "C" NOT NULL,
    type text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL,
    version bigint NOT NULL,
    "values" text COLLATE "C" NOT NULL,
    claims text COLLATE "C" NOT NULL,
    caller text COLLATE "C",
    request_id text COLLATE "C",
    request_hash text COLLATE "C",
    traceparent text COLLATE "C",
    erased boolean NOT NULL,
    PRIMARY KEY (domain, position)
  );
  -- Time rises with the position, so this is the order of positions too.
  CREATE UNIQUE INDEX events_by_time ON events (domain, type, time);
  CREATE UNIQUE INDEX events_by_version ON events (domain, type, key, version);
  CREATE INDEX events_by_id ON events (id);
  -- Without the caller, who may be longer than an index takes.
  CREATE INDEX events_by_request ON events (domain, request_id, position) WHERE request_id IS NOT NULL;
  `
]

/** "sgat" in ASCII: keeps our advisory lock apart from those of others in the same database. */
const lockClass = 0x73676174

/** What the server tells of the schema. */
interface Found {
  readonly exists: boolean
  readonly tables: number
  readonly ours: number
}

/**
 * Brings the schema up to this version. Fails, with a message for the operator, when it is another program's or a newer
 * version's; what is there already stays as it is. Where nothing is to be done, no privilege for it is needed.
 */
export const migrate = async (connection: Client, schema: string, opening: Opening = "create"): Promise<void> => {
  const there = await formatOf(connection, schema)
  if (there.version === migrations.length) return
  if (there.version === 0 && opening !== "create") throw new Error(`the schema ${schema} holds nothing of stategate`)
  // Of several gateways that start together one makes the tables, and the others wait and find them.
  await connection.query(`BEGIN; SET LOCAL lock_timeout = ${migrationWaitMs}`)
  await connection.query("SELECT pg_advisory_xact_lock($1::int, hashtext($2::text))", [String(lockClass), schema])
  const { exists, version } = await formatOf(connection, schema)
  const missing = migrations.slice(version)
  if (!exists) await connection.query(`CREATE SCHEMA "${schema}"`)
  if (version === 0) await connection.query("CREATE TABLE stategate_format (version integer NOT NULL)")
  if (missing.length > 0) {
    const format = `DELETE FROM stategate_format; INSERT INTO stategate_format VALUES (${migrations.length})`
    await connection.query(`${missing.join("\n")}; ${format}`)
  }
  await connection.query("COMMIT")
}

const formatOf = async (connection: Client, schema: string) => {
  const [found] = await connection.query<Found>(
    `SELECT to_regnamespace($1::text) IS NOT NULL AS exists, count(*)::int AS tables,
       (count(*) FILTER (WHERE relname = 'stategate_format'))::int AS ours
     FROM pg_class WHERE relnamespace = to_regnamespace($1::text)`,
    [schema]
  )
  const { exists, tables, ours } = found!
  if (ours === 0 && tables > 0) {
    throw new Error(`the schema ${schema} holds another program's tables; name one that is free in "schema"`)
  }
  if (ours === 0) return { exists, version: 0 }
  const [format] = await connection.query<{ readonly version: number }>("SELECT version FROM stategate_format")
  if (format!.version > migrations.length) {
    const formats = `its format is ${format!.version}, ours ${migrations.length}`
    throw new Error(`the schema ${schema} was written by a newer version (${formats})`)
  }
  return { exists, version: format!.version }
}
