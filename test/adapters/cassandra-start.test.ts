import { setTimeout as sleep } from "node:timers/promises"
import { Client } from "cassandra-driver"
import { Effect } from "effect"
import { afterEach, assert, describe, test } from "vitest"
import { type CassandraSettings, open } from "../../adapters/storage/cassandra/connection.ts"
import { layer } from "../../adapters/storage/cassandra/store.ts"
import { cassandra, startCassandra } from "../services/cassandra.ts"
import { startProxy } from "../services/proxy.ts"
import { hookMsMax } from "../services/server.ts"
import { use } from "../services/service.ts"
import { openssl, testCertificates } from "../support/certificate.ts"
import { freePort, temporaryFolder } from "../support/process.ts"
import { beginTogether, opening } from "./opening.ts"

// What keeps a gateway from starting, and what an operator is told. They read the messages.

const server = use(cassandra)
const cleanups: Array<() => unknown> = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

const start = (settings: CassandraSettings) => opening(open(settings))
const starts = async (settings: CassandraSettings): Promise<string> => (await start(settings)).end

/** What somebody else does to the server. */
const during = async <A>({ addr }: CassandraSettings, work: (client: Client) => Promise<A>): Promise<A> => {
  const client = new Client({ contactPoints: [addr], localDataCenter: "datacenter1" })
  try {
    return await work(client)
  } finally {
    await client.shutdown()
  }
}

const changed = (place: CassandraSettings, cql: string) => during(place, (client) => client.execute(cql))

test("a server that is not there is named, and the password is not", async () => {
  const addr = `127.0.0.1:${await freePort()}`
  const credentials = { username: "me", password: "hunter2" }
  const message = await starts({ addr, keyspace: "shop", credentials })
  assert.include(message, `the database cannot be opened: shop at ${addr}: `)
  assert.include(message, "ECONNREFUSED")
  assert.notInclude(message, "hunter2")
})

test("a server that comes a little later is waited for", server.options, async () => {
  const place = server.fresh()
  const proxy = await startProxy(place.addr)
  cleanups.push(proxy.close)
  await proxy.cut()
  const opened = starts({ ...place, addr: proxy.addr })
  await sleep(1_500)
  await proxy.heal()
  assert.strictEqual(await opened, "it opened")
})

describe("a keyspace of Cassandra", server.options, () => {
  test("that a newer version wrote is refused, and left alone", async () => {
    const place = server.fresh()
    assert.strictEqual(await starts(place), "it opened")
    await changed(place, `update ${place.keyspace}.format set format = 99 where name = 'rows'`)
    assert.include(await starts(place), "was written by a newer version (its format is 99, ours 1)")
    const { rows } = await changed(place, `select format from ${place.keyspace}.format where name = 'rows'`)
    assert.deepStrictEqual(
      rows.map((row) => row["format"]),
      [99]
    )
  })

  test("that would lose rows is refused", async () => {
    const place = server.fresh()
    assert.strictEqual(await starts(place), "it opened")
    await changed(place, `alter table ${place.keyspace}.claims with default_time_to_live = 60`)
    assert.include(await starts(place), "its table claims must have default_time_to_live = 0")
    await changed(place, `alter table ${place.keyspace}.claims with default_time_to_live = 0`)
    await changed(place, `alter keyspace ${place.keyspace} with durable_writes = false`)
    assert.include(await starts(place), "must have durable_writes = true")
  })

  test("is made with the copies that are asked for, or as many as there are servers; one is warned of", async () => {
    for (const replication of [undefined, { datacenter1: 1 }, { datacenter1: 2 }]) {
      const place = { ...server.fresh(), ...(replication === undefined ? {} : { replication }) }
      const { end, lines } = await start(place)
      const copies = replication?.datacenter1 ?? 1
      // A majority of two needs both, and there is one server.
      assert.include(end, copies === 1 ? "it opened" : "the database cannot be opened")
      const [made] = await during(place, async (client) => {
        const asked = "select replication from system_schema.keyspaces where keyspace_name = ?"
        return (await client.execute(asked, [place.keyspace])).rows
      })
      assert.deepInclude(made!["replication"], { datacenter1: String(copies) })
      const expected = `Warn the keyspace ${place.keyspace} has one copy of everything; with three, one server may be lost`
      assert.deepStrictEqual(lines, copies === 1 ? [expected] : [])
    }
  })

  test("keeps the size of its partitions, whatever a later gateway is told", async () => {
    const place = server.fresh()
    const bucketOf = (settings: CassandraSettings) =>
      Effect.runPromise(Effect.scoped(Effect.map(open(settings), ({ bucketEvents }) => bucketEvents)))
    assert.strictEqual(await bucketOf({ ...place, bucketEvents: 7 }), 7n)
    assert.strictEqual(await bucketOf({ ...place, bucketEvents: 8 }), 7n)
    assert.strictEqual(await bucketOf(place), 7n)
  })

  test("may be new to several gateways at once", async () => {
    const place = server.fresh()
    await beginTogether(4, () => layer(place))
  })

  test("is not looked for in a data centre that is not there", async () => {
    const message = await starts({ ...server.fresh(), datacenter: "nowhere" })
    assert.include(message, "the database cannot be opened")
    assert.match(message, /nowhere.*datacenter1/)
  })
})

describe("a server of Cassandra", { ...server.faults, timeout: hookMsMax }, () => {
  test(
    "that answers before its fsync is warned of; and what it asks of clients, it gets",
    openssl.options,
    async () => {
      const { write, remove } = temporaryFolder()
      cleanups.push(remove)
      const { ca, cert, key, strangerCert } = testCertificates()
      const credentials = { username: "cassandra", password: "cassandra" }
      const own = await startCassandra({
        yaml: {
          commitlog_sync: "periodic",
          commitlog_sync_period: "10000ms",
          authenticator: "PasswordAuthenticator",
          client_encryption_options: {
            enabled: true,
            optional: false,
            ssl_context_factory: {
              class_name: "org.apache.cassandra.security.PEMBasedSslContextFactory",
              parameters: { private_key: `${key}${cert}` }
            }
          }
        },
        client: { credentials, sslOptions: { ca, rejectUnauthorized: true } }
      })
      cleanups.push(own.remove)
      const place = { ...own.fresh(), caFile: write("ca.pem", ca) }
      const { end, lines } = await start({ ...place, credentials })
      assert.strictEqual(end, "it opened")
      const late = `Warn Cassandra answers before its disk has what was written (at ${own.addr}); set commitlog_sync to batch or group in cassandra.yaml`
      assert.include(lines, late)

      const refusals = [
        [{ ...place }, /authentication/i],
        [{ ...place, credentials: { ...credentials, password: "hunter2" } }, /credentials|password/i],
        [{ ...place, credentials, caFile: write("stranger.pem", strangerCert) }, /certificate|signature/i],
        [{ ...own.fresh(), credentials }, /./]
      ] as const
      for (const [settings, why] of refusals) {
        const message = await starts(settings)
        assert.match(message, /the database cannot be opened: /)
        assert.match(message, why)
        assert.notInclude(message, "hunter2")
      }
    }
  )
})
