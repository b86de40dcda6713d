import type { Connection } from "./connection.ts"

interface Server {
  readonly version: number
  readonly release: string
  readonly encoding: string
  readonly fsync: string
  readonly full_page_writes: string
  readonly read_only: string
}

/** The first that has all that is asked of it. */
const versionMin = 13

/** Whether it takes writes; asked on every new connection, since another server may answer at the same address. */
export const isStandby = async (connection: Connection): Promise<boolean> => {
  const [found] = await connection.query<{ readonly standby: boolean }>("SELECT pg_is_in_recovery() AS standby")
  return found!.standby
}

/** Why this server cannot keep what the store promises, in words for the operator; and what they should know of it. */
export const inspect = async (
  connection: Connection
): Promise<{ readonly refusal?: string; readonly warning?: string }> => {
  const [server] = await connection.query<Server>(`
    SELECT current_setting('server_version_num')::int / 10000 AS version, current_setting('server_version') AS release,
      current_setting('server_encoding') AS encoding, current_setting('fsync') AS fsync,
      current_setting('full_page_writes') AS full_page_writes,
      current_setting('default_transaction_read_only') AS read_only`)
  const { version, release, encoding, fsync, full_page_writes, read_only } = server!
  if (version < versionMin) return { refusal: `it is PostgreSQL ${release}, and must be ${versionMin} or later` }
  if (await isStandby(connection)) return { refusal: "it is a standby; give the address of the primary" }
  if (read_only === "on") return { refusal: "it is read-only (default_transaction_read_only = on)" }
  if (fsync !== "on") return { refusal: "it may lose what it has acknowledged (fsync = off)" }
  if (encoding !== "UTF8") return { refusal: `the database is encoded in ${encoding}, and must be in UTF8` }
  if (full_page_writes === "on") return {}
  return { warning: "PostgreSQL runs with full_page_writes = off: a power cut may damage its files" }
}
