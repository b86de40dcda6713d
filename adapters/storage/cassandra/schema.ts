import { setTimeout as sleep } from "node:timers/promises"
import type { Client } from "cassandra-driver"
import {
  cassandraBucketEvents,
  cassandraReadAgainMs,
  migrationWaitMs,
  schemaPollMs
} from "../../../application/limits.ts"
import type { CassandraSettings } from "./connection.ts"
import type { Row } from "./rows.ts"

/** The format of the rows, and the only one that this version knows. */
const rowsFormat = 1

const tables = {
  /** Commit records, for ever: nothing here is overwritten, expires or goes. */
  claims: `(domain text, bucket bigint, position bigint, id text, format int, text text,
    primary key ((domain, bucket), position))`,
  /** The applied heads. */
  domains: `(part int, domain text, incarnation text, position bigint, time bigint, event_id text, moved timestamp,
    mended boolean, primary key ((part), domain))`,
  /** The types that a domain has entities of, and whether any of those has more terms than are kept. */
  types: "(domain text, type text, wide boolean, primary key ((domain), type))",
  entities: `(domain text, type text, shard int, key text, version bigint, deleted boolean, values_json text, bytes int,
    terms set<bigint>, primary key ((domain, type, shard), key))`,
  /** The log. A partition has so many positions and no more. */
  events: `(domain text, bucket bigint, position bigint, time bigint, text text, bytes int, terms set<bigint>,
    primary key ((domain, bucket), position))`,
  /** Positions, by which events are found. */
  lists: "(domain text, list text, position bigint, bytes int, primary key ((domain, list), position))"
} as const

/**
 * A server that has died is not waited for: until the others take note of it, which is some 20 s, as many of those that
 * are asked as make a majority may include it.
 */
const readsAgain = `speculative_retry = 'MIN(99p,${cassandraReadAgainMs}ms)'`

/** What each is made on, and a condition that it has to answer. */
const indexes = {
  moved: { on: ["domains", "moved"], probe: "moved > '9999-12-31'" },
  entities_terms: { on: ["entities", "terms"], probe: "terms contains 0" },
  events_terms: { on: ["events", "terms"], probe: "terms contains 0" }
} as const

/** Says something to the server; a change of the schema is made when all servers have it. */
export type Run = (statement: string, params?: ReadonlyArray<unknown>) => Promise<ReadonlyArray<Row>>

/** Whether stategate has ever kept anything in a keyspace. */
export const isOurs = async (run: Run, keyspace: string): Promise<boolean> => {
  const tables = "select table_name from system_schema.tables where keyspace_name = ? and table_name = 'format'"
  return (await run(tables, [keyspace])).length > 0
}

/**
 * Makes the tables that are not there, several gateways at once if need be, and answers how many positions a partition
 * has: the first gateway has said so for ever. Fails, with words for the operator, where rows would not be kept.
 */
export const prepare = async (run: Run, keyspace: string, bucketEvents = cassandraBucketEvents): Promise<bigint> => {
  const formats = `"${keyspace}".format`
  await run(
    `create table if not exists ${formats} (name text primary key, format int, bucket_events bigint, holder text)`
  )
  await run(`insert into ${formats} (name, format, bucket_events) values ('rows', ?, ?) if not exists`, [
    rowsFormat,
    BigInt(bucketEvents)
  ])
  const [found] = await run(`select format, bucket_events from ${formats} where name = 'rows'`)
  if (found?.["format"] !== rowsFormat)
    throw new Error(`was written by a newer version (its format is ${found?.["format"]}, ours ${rowsFormat})`)
  await within(migrationWaitMs, "its tables are being made by another gateway", () => isMade(run, keyspace))
  await checkTables(run, keyspace)
  for (const { on, probe } of Object.values(indexes)) {
    // It answers only when it is built, which takes a moment even where there is nothing to be in it.
    const answers = () => run(`select * from "${keyspace}".${on[0]} where ${probe} limit 1`)
    await within(migrationWaitMs, `its index of ${on.join(".")} is not built`, () => isDone(answers()))
  }
  return found["bucket_events"]
}

/**
 * Whether everything is there, or is now. Changes of the schema that meet leave servers with different tables of one
 * name, so a gateway that finds something missing takes a lease first.
 */
const isMade = async (run: Run, keyspace: string): Promise<boolean> => {
  if ((await missingIn(run, keyspace)).length === 0) return true
  const formats = `"${keyspace}".format`
  const holder = crypto.randomUUID()
  const lock = `insert into ${formats} (name, holder) values ('schema', ?) if not exists using ttl ${migrationWaitMs / 1000}`
  const [taken] = await run(lock, [holder])
  if (taken?.["[applied]"] !== true) return false
  try {
    for (const statement of await missingIn(run, keyspace)) await run(statement)
    return true
  } finally {
    await run(`delete from ${formats} where name = 'schema' if holder = ?`, [holder])
  }
}

/** What makes the tables and indexes that are not there. */
const missingIn = async (run: Run, keyspace: string): Promise<ReadonlyArray<string>> => {
  const names = async (what: "table" | "index", from: string) => {
    const found = await run(`select ${what}_name as name from system_schema.${from} where keyspace_name = ?`, [
      keyspace
    ])
    return new Set(found.map((row) => row["name"] as string))
  }
  const [there, indexed] = [await names("table", "tables"), await names("index", "indexes")]
  const table = Object.entries(tables)
    .filter(([name]) => !there.has(name))
    .map(([name, columns]) => `create table if not exists "${keyspace}".${name} ${columns} with ${readsAgain}`)
  const index = Object.entries(indexes)
    .filter(([name]) => !indexed.has(name))
    .map(([name, { on }]) => `create index if not exists ${name} on "${keyspace}".${on[0]} (${on[1]}) using 'sai'`)
  return [...table, ...index]
}

/** What was answered is there for ever: nothing may take rows away, nor answer before they are in the log of a server. */
const checkTables = async (run: Run, keyspace: string): Promise<void> => {
  const [kept] = await run("select durable_writes from system_schema.keyspaces where keyspace_name = ?", [keyspace])
  if (kept?.["durable_writes"] !== true) throw new Error("must have durable_writes = true")
  const made = await run(
    "select table_name as name, default_time_to_live as ttl from system_schema.tables where keyspace_name = ?",
    [keyspace]
  )
  const expiring = made.find(({ name, ttl }) => name in tables && ttl !== 0)
  if (expiring !== undefined) throw new Error(`its table ${expiring["name"]} must have default_time_to_live = 0`)
}

const isDone = (work: Promise<unknown>): Promise<boolean> =>
  work.then(
    () => true,
    () => false
  )

const within = async (ms: number, otherwise: string, isTrue: () => Promise<boolean>): Promise<void> => {
  const until = performance.now() + ms
  while (!(await isTrue())) {
    if (performance.now() > until) throw new Error(otherwise)
    await sleep(schemaPollMs)
  }
}

/** Makes the keyspace if it is not there. Fails, with words for the operator, where nothing can be kept in the cluster. */
export const prepareKeyspace = async (
  client: Client,
  run: Run,
  { keyspace, datacenter, replication }: CassandraSettings
): Promise<void> => {
  const hosts = client.hosts.values()
  const centers = [...new Set(hosts.map((host) => host.datacenter))]
  if (datacenter === undefined && centers.length > 1)
    throw new Error(`there are several data centres (${centers.join(", ")}): "datacenter" must name the one to talk to`)
  const old = hosts.find(({ cassandraVersion }) => Number.parseInt(cassandraVersion, 10) < 5)
  if (old !== undefined) throw new Error(`version 5.0 is needed, and a server has ${old.cassandraVersion}`)

  const copies =
    replication ??
    // With three, one server may be away.
    Object.fromEntries(
      centers.map((center) => [center, Math.min(3, hosts.filter((of) => of.datacenter === center).length)])
    )
  const options = [["class", "NetworkTopologyStrategy"], ...Object.entries(copies)].map(
    ([key, of]) => `'${key}': '${of}'`
  )
  const found = await run("select keyspace_name from system_schema.keyspaces where keyspace_name = ?", [keyspace])
  if (found.length === 0)
    await run(`create keyspace if not exists "${keyspace}" with replication = {${options.join(", ")}}`)
}

/** What an operator should know about a cluster that is there. */
export const warningsOf = async (client: Client, run: Run, keyspace: string): Promise<ReadonlyArray<string>> => {
  const warnings: Array<string> = []
  const late: Array<string> = []
  for (const host of client.hosts.values()) {
    const asked = "select value from system_views.settings where name = 'commitlog_sync'"
    // Not every server that speaks the language tells its settings.
    const { rows } = await client.execute(asked, [], { host }).catch(() => ({ rows: [] }))
    if (rows[0]?.["value"] === "periodic") late.push(host.address)
  }
  if (late.length > 0)
    warnings.push(
      `Cassandra answers before its disk has what was written (at ${late.join(", ")}); ` +
        "set commitlog_sync to batch or group in cassandra.yaml"
    )
  const [found] = await run("select replication from system_schema.keyspaces where keyspace_name = ?", [keyspace])
  const copies = Object.entries((found?.["replication"] ?? {}) as Record<string, string>).filter(
    ([key]) => key !== "class"
  )
  if (copies.reduce((sum, [, of]) => sum + Number.parseInt(of, 10), 0) === 1)
    warnings.push(`the keyspace ${keyspace} has one copy of everything; with three, one server may be lost`)
  return warnings
}
