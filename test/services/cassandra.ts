import { mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
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
}

/** A cluster of one server. */
export const startCassandra = async ({
  java = small,
  yaml = {},
  client = {}
}: CassandraStart = {}): Promise<Service<CassandraPlace>> => {
  const [port, peers] = [await serverPort(), await serverPort()]
  const folder = new Folder()
  const conf = join(folder.path, "conf")
  mkdirSync(conf)
  writeFileSync(join(conf, "cassandra.yaml"), JSON.stringify({ ...settings(folder.path, port, peers), ...yaml }))
  writeFileSync(join(conf, "logback.xml"), logback)
  const addr = `127.0.0.1:${port}`
  const control = await startServer(
    {
      name: installable.name,
      command: findJava()!,
      args: [
        ...java,
        ...options(folder.path),
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

const alone = "{'class': 'SimpleStrategy', 'replication_factor': 1}"

/** What cassandra.yaml says; JSON is YAML. */
const settings = (folder: string, port: number, peers: number) => ({
  cluster_name: "test",
  num_tokens: 1,
  partitioner: "org.apache.cassandra.dht.Murmur3Partitioner",
  endpoint_snitch: "SimpleSnitch",
  dynamic_snitch: false,
  listen_address: "127.0.0.1",
  storage_port: peers,
  rpc_address: "127.0.0.1",
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
  // There is nobody to wait for.
  "-Dcassandra.ring_delay_ms=0",
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

const execute = async (addr: string, options: Partial<ClientOptions>, ...statements: ReadonlyArray<string>) => {
  const client = new Client({
    ...options,
    contactPoints: [addr],
    // Any data centre is as good as another here.
    policies: { loadBalancing: new policies.loadBalancing.RoundRobinPolicy() }
  })
  try {
    await client.connect()
    for (const statement of statements) await client.execute(statement)
  } finally {
    await client.shutdown()
  }
}

const places = (addr: string) => placesOn((keyspace): CassandraPlace => ({ addr, keyspace }))
