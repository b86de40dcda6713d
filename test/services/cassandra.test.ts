import { Client, policies } from "cassandra-driver"
import { assert, test } from "vitest"
import { type CassandraPlace, cassandra } from "./cassandra.ts"
import { obeys } from "./obeys.ts"

const on = async <A>(addr: string, work: (client: Client) => Promise<A>): Promise<A> => {
  const client = new Client({
    contactPoints: [addr],
    policies: { loadBalancing: new policies.loadBalancing.RoundRobinPolicy() }
  })
  try {
    await client.connect()
    return await work(client)
  } finally {
    await client.shutdown()
  }
}

const server = obeys(cassandra, {
  keep: ({ addr, keyspace }: CassandraPlace, n) =>
    on(addr, async (client) => {
      const replication = "{'class': 'SimpleStrategy', 'replication_factor': 1}"
      await client.execute(`create keyspace if not exists ${keyspace} with replication = ${replication}`)
      await client.execute(`create table if not exists ${keyspace}.kept (one int, n int, primary key (one, n))`)
      await client.execute(`insert into ${keyspace}.kept (one, n) values (1, ?)`, [n], { prepare: true })
    }),
  kept: ({ addr, keyspace }) =>
    on(addr, async (client) =>
      (await client.execute(`select n from ${keyspace}.kept where one = 1`)).rows.map((row) => row["n"])
    )
})

test("Cassandra acknowledges what a power cut leaves", server.faults, async () => {
  const found = await on(server.addr(), (client) =>
    client.execute("select value from system_views.settings where name = 'commitlog_sync'")
  )
  assert.strictEqual(found.first()["value"], "batch")
})
