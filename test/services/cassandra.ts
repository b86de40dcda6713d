import { mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { Client, type ClientOptions, policies } from "cassandra-driver"
import { cassandraJars, findJava, cassandra as installable } from "../../tools/services/cassandra.ts"
import { Folder, serverPort, startServer } from "./server.ts"
import { type Kind, placesOn, type Service } from "./service.ts"

/** A keyspace of its own on a server, which the adapter makes. */
export interface CassandraPlace {
  readonly addr: string
  readonly keyspace: string
}

export const cassandra: Kind<CassandraPlace> = {
  name: installable.name,
  variable: "STATEGATE_TEST_CASSANDRA_ADDR",
  isInstalled: installable.isInstalled,
  start: () => startCassandra(),
  given: (addr) => {
    const { fresh, names } = places(addr)
    const drop = () => execute(addr, {}, ...names.map((name) => `drop keyspace if exists ${name}`))
    return { addr, fresh, drop }
  }
}

/** What Java gives it: little, and quickly, for tests; for what is measured, enough. */
const small = ["-Xms256m", "-Xmx512m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"]
export const large = ["-Xms2g", "-Xmx2g", "-XX:+UseG1GC"]

/** How a server differs from others. */
interface CassandraStart {
  readonly java?: ReadonlyArray<string>
  /** Settings of cassandra.yaml. */
  readonly yaml?: object
  /** How it can be reached then. */
  readonly client?: Partial<ClientOptions>
  /** As one of several, which have addresses of their own, and the same ports. */
  readonly node?: Node
}

interface Node {
  readonly host: string
  readonly port: number
  readonly peers: number
}

/** Several servers that are one cluster; the first is the one that the others join by. */
export const startCluster = async (servers: number): Promise<ReadonlyArray<Service<CassandraPlace>>> => {
  const [port, peers] = [await serverPort(), await serverPort()]
  const started: Array<Service<CassandraPlace>> = []
  try {
    for (let n = 1; n <= servers; n++)
      started.push(await startCassandra({ node: { host: `127.0.0.${n}`, port, peers } }))
    const known = ({ addr }: Service<CassandraPlace>) =>
      using(addr, {}, async (client) => (await client.execute("select peer from system.peers_v2")).rows.length + 1)
    for (const one of started) while ((await known(one)) < servers) await sleep(gossipMs / 10)
    return started
  } catch (error) {
    for (const { remove } of started) await remove()
    throw error
  }
}

/** A server, which is a cluster by itself unless it is one of several. */
export const startCassandra = async ({
  java = small,
  yaml = {},
  client = {},
  node
}: CassandraStart = {}): Promise<Service<CassandraPlace>> => {
  const { host, port, peers } = node ?? { host: "127.0.0.1", port: await serverPort(), peers: await serverPort() }
  const folder = new Folder()
  const conf = join(folder.path, "conf")
  mkdirSync(conf)
  writeFileSync(
    join(conf, "cassandra.yaml"),
    JSON.stringify({ ...settings(folder.path, { host, port, peers }), ...yaml })
  )
  writeFileSync(join(conf, "logback.xml"), logback)
  const addr = `${host}:${port}`
  const control = await startServer(
    {
      name: installable.name,
      command: findJava()!,
      args: [
        ...java,
        ...options(folder.path),
        // How long it waits for others; alone, there is nobody.
        `-Dcassandra.ring_delay_ms=${node === undefined ? 0 : gossipMs}`,
        "-cp",
        `${conf}:${cassandraJars}/*`,
        "org.apache.cassandra.service.CassandraDaemon"
      ],
      stopSignal: "SIGTERM",
      probe: () => execute(addr, client, `create keyspace if not exists ready with replication = ${alone}`)
    },
    folder
  )
  return { addr, fresh: places(addr).fresh, ...control }
}

/** Milliseconds in which servers of a cluster hear of each other. */
const gossipMs = 5_000

const alone = "{'class': 'SimpleStrategy', 'replication_factor': 1}"

/** What cassandra.yaml says; JSON is YAML. */
const settings = (folder: string, { host, port, peers }: Node) => ({
  cluster_name: "test",
  num_tokens: 1,
  // It joins before there is anything to take over.
  auto_bootstrap: false,
  partitioner: "org.apache.cassandra.dht.Murmur3Partitioner",
  endpoint_snitch: "SimpleSnitch",
  dynamic_snitch: false,
  listen_address: host,
  storage_port: peers,
  rpc_address: host,
  native_transport_port: port,
  seed_provider: [
    { class_name: "org.apache.cassandra.locator.SimpleSeedProvider", parameters: [{ seeds: `127.0.0.1:${peers}` }] }
  ],
  // An answer comes after the fsync; unless it is told to, Cassandra does not wait for it.
  commitlog_sync: "batch",
  data_file_directories: [join(folder, "data")],
  commitlog_directory: join(folder, "commitlog"),
  saved_caches_directory: join(folder, "caches"),
  hints_directory: join(folder, "hints"),
  cdc_raw_directory: join(folder, "cdc"),
  memtable_allocation_type: "heap_buffers",
  disk_access_mode: "mmap_index_only",
  auto_snapshot: false
})

const logback = `<configuration>
  <appender name="out" class="ch.qos.logback.core.ConsoleAppender"><encoder><pattern>%-5level %msg%n</pattern></encoder></appender>
  <root level="WARN"><appender-ref ref="out"/></root>
</configuration>`

/** What its own start script gives Java, and what keeps it small, quick to start and in its folder. */
const options = (folder: string): ReadonlyArray<string> => [
  "-XX:-UsePerfData",
  // What goes on without memory goes on with wrong data.
  "-XX:+ExitOnOutOfMemoryError",
  `-javaagent:${join(cassandraJars, "jamm-0.4.0.jar")}`,
  ...exported.flatMap((name) => ["--add-exports", `${name}=ALL-UNNAMED`]),
  ...opened.flatMap((name) => ["--add-opens", `${name}=ALL-UNNAMED`]),
  "-Djdk.attach.allowAttachSelf=true",
  `-Djava.io.tmpdir=${folder}`,
  `-Djna.tmpdir=${folder}`,
  `-Dcassandra.config=file://${join(folder, "conf", "cassandra.yaml")}`,
  `-Dcassandra.storagedir=${join(folder, "data")}`,
  `-Dcassandra.logdir=${folder}`,
  `-Dlogback.configurationFile=${join(folder, "conf", "logback.xml")}`,
  "-Dcassandra-foreground=yes",
  "-Dcassandra.superuser_setup_delay_ms=0",
  "-Dcassandra.skip_wait_for_gossip_to_settle=0"
]

const exported = [
  "java.base/jdk.internal.misc",
  "java.base/java.lang.ref",
  "java.base/sun.nio.ch",
  "java.management.rmi/com.sun.jmx.remote.internal.rmi",
  "java.rmi/sun.rmi.registry",
  "java.rmi/sun.rmi.server",
  "java.rmi/sun.rmi.transport.tcp",
  "java.sql/java.sql",
  "jdk.unsupported/sun.misc"
]

const opened = [
  "java.base/java.lang.module",
  "java.base/java.net",
  "java.base/jdk.internal.loader",
  "java.base/jdk.internal.ref",
  "java.base/jdk.internal.reflect",
  "java.base/jdk.internal.math",
  "java.base/jdk.internal.module",
  "java.base/jdk.internal.util.jar",
  "jdk.management/com.sun.management.internal",
  "java.base/sun.nio.ch",
  "java.base/java.io",
  "java.base/java.lang",
  "java.base/java.lang.reflect",
  "java.base/java.util",
  "java.base/java.util.concurrent",
  "java.base/java.util.concurrent.atomic",
  "java.base/java.nio",
  "java.rmi/sun.rmi.transport.tcp",
  "jdk.compiler/com.sun.tools.javac.file",
  "jdk.naming.dns/com.sun.jndi.dns"
]

const using = async <A>(addr: string, options: Partial<ClientOptions>, work: (client: Client) => Promise<A>) => {
  const client = new Client({
    ...options,
    contactPoints: [addr],
    // Any data centre is as good as another here.
    policies: { loadBalancing: new policies.loadBalancing.RoundRobinPolicy() }
  })
  try {
    await client.connect()
    return await work(client)
  } finally {
    await client.shutdown()
  }
}

const execute = (addr: string, options: Partial<ClientOptions>, ...statements: ReadonlyArray<string>) =>
  using(addr, options, async (client) => {
    for (const statement of statements) await client.execute(statement)
  })

const places = (addr: string) => placesOn((keyspace): CassandraPlace => ({ addr, keyspace }))
