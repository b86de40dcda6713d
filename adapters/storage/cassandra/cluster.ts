import type { Client } from "cassandra-driver"
import type { CassandraSettings } from "./connection.ts"
import type { Run } from "./schema.ts"

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
