import { assert, describe, test } from "vitest"
import { accepted, refused } from "./parsed.ts"

describe("providers", () => {
  const storage = (text: string) => refused({ STATEGATE_STORAGE_PROVIDER: text })

  test("are JSON with a known name and known fields", () => {
    const chosen = accepted({ STATEGATE_STORAGE_PROVIDER: '{"name":"sqlite","path":"other.db"}' })
    assert.deepStrictEqual(chosen.settings.storage, { name: "sqlite", path: "other.db" })
    for (const text of ["sqlite", "[]", "null", '"sqlite"'])
      assert.deepStrictEqual(storage(text), [
        'STATEGATE_STORAGE_PROVIDER: must be a JSON object such as {"name":"sqlite"}'
      ])
    for (const text of ["{}", '{"name":"toString"}', '{"name":["sqlite"]}'])
      assert.deepStrictEqual(storage(text), [
        'STATEGATE_STORAGE_PROVIDER: its "name" must be one of: sqlite, postgres, mongo, cassandra, memory'
      ])
    assert.deepStrictEqual(storage('{"name":"memory","size":3}'), [
      'STATEGATE_STORAGE_PROVIDER: memory has no field "size"; it has: name'
    ])
    assert.deepStrictEqual(storage('{"name":"sqlite"}'), [
      'STATEGATE_STORAGE_PROVIDER: "path" must be the path of a file'
    ])
    assert.deepStrictEqual(refused({ STATEGATE_CHANNEL_PROVIDER: '{"name":"nats"}' }), [
      'STATEGATE_CHANNEL_PROVIDER: its "name" must be one of: inmem'
    ])
  })

  test("of the durable kind do not take a path that forgets", () => {
    for (const path of [":memory:", "file:x?mode=memory", "", " "])
      assert.match(storage(JSON.stringify({ name: "sqlite", path }))[0]!, /"path" must be the path of a file/)
  })

  test("of PostgreSQL are an address, and what is better for it than the defaults", () => {
    const given = (more: object) => ({ name: "postgres" as const, addr: "postgres://me:p%40ss@db:5433/shop", ...more })
    for (const more of [
      {},
      { addr: "postgresql://me@[::1]/shop?sslmode=verify-full" },
      { addr: "postgres://me@db/shop?sslmode=disable" },
      { schema: "shop_2", connections: 2, caFile: "/etc/ca.pem" }
    ]) {
      const { settings } = accepted({ STATEGATE_STORAGE_PROVIDER: JSON.stringify(given(more)) })
      assert.deepStrictEqual(settings.storage, given(more))
    }
    const problem = (more: object) => storage(JSON.stringify(given(more)))[0]!
    for (const addr of [
      undefined,
      7,
      "",
      "db:5432",
      "mongodb://me@db/shop",
      "postgres://db/shop",
      "postgres://me@/shop",
      "postgres://me@db",
      "postgres://me@db/",
      "postgres://me@db/shop/orders",
      "postgres://me:12/34@db/shop",
      "postgres://me:12?34@db/shop",
      "postgres://me:12#34@db/shop",
      "postgres://me:12%34%@db/shop",
      "postgres://me@db/sh%00op"
    ]) {
      assert.match(problem({ addr }), /"addr" must be an address such as postgres:.*; in a password, write @ : /)
      assert.notInclude(problem({ addr }), "34")
    }
    for (const search of [
      "?sslmode=prefer",
      "?sslmode",
      "?fsync=off",
      "?sslmode=require&options=-c%20lock_timeout=0",
      "?sslmode=disable&sslmode=require"
    ])
      assert.match(problem({ addr: `postgres://me@db/shop${search}` }), /"addr" takes nothing behind its database but/)
    for (const schema of ["", "Shop", "a b", 'a"', "pg_shop", "x".repeat(64), 7])
      assert.match(problem({ schema }), /"schema" must be the name of a schema/)
    for (const connections of [1, 2.5, "8", 1001])
      assert.match(problem({ connections }), /"connections" must be a whole number from 2 to 1000/)
    for (const caFile of ["", " ", 7]) assert.match(problem({ caFile }), /"caFile" must be the path of a PEM file/)
    assert.match(
      problem({ user: "me" }),
      /postgres has no field "user"; it has: name, addr, schema, connections, caFile/
    )
  })

  test("of MongoDB are an address and a database", () => {
    const given = (more: object) => ({
      name: "mongo" as const,
      addr: "mongodb://user:p%40ss@a:27017,b:27017/db?replicaSet=rs",
      database: "shop",
      ...more
    })
    for (const more of [{}, { addr: "mongodb+srv://cluster.example.com" }, { connections: 8 }]) {
      const { settings } = accepted({ STATEGATE_STORAGE_PROVIDER: JSON.stringify(given(more)) })
      assert.deepStrictEqual(settings.storage, given(more))
    }
    const problem = (more: object) => storage(JSON.stringify(given(more)))[0]!
    for (const addr of [undefined, "", "localhost:27017", "postgres://a", "mongodb://", 7])
      assert.match(problem({ addr }), /"addr" must be a connection string such as mongodb:\/\/localhost:27017/)
    for (const addr of ["mongodb://user:12/34@host", "mongodb://user:12?34@host/db", "mongodb://user:12#34@host"]) {
      assert.match(problem({ addr }), /"addr" has an @ behind its hosts/)
      assert.notInclude(problem({ addr }), "34")
    }
    for (const database of [undefined, "", "a.b", "a b", "$a", "a/b", "admin", "x".repeat(64)])
      assert.match(problem({ database }), /"database" must be the name of a database/)
    for (const connections of [0, 1.5, "8", 1001])
      assert.match(problem({ connections }), /"connections" must be a whole number from 1 to 1000/)
    assert.match(problem({ user: "me" }), /mongo has no field "user"; it has: name, addr, database, connections/)
  })

  test("of Cassandra are servers and a keyspace", () => {
    const given = (more: object) => ({ name: "cassandra" as const, addr: "localhost:9042", keyspace: "shop", ...more })
    for (const more of [
      {},
      { addr: "cassandra-1.example.com,10.0.0.7:9043" },
      {
        datacenter: "dc 1",
        replication: { "dc 1": 3, dc2: 1 },
        credentials: { username: "me", password: "hunter2" },
        connections: 2,
        caFile: "/etc/ca.pem"
      }
    ]) {
      const { settings } = accepted({ STATEGATE_STORAGE_PROVIDER: JSON.stringify(given(more)) })
      assert.deepStrictEqual(settings.storage, given(more))
    }
    const problem = (more: object) => storage(JSON.stringify(given(more)))[0]!
    for (const addr of [undefined, "", "a,", "cassandra://a", "a b", "me:hunter2@a", 7])
      assert.match(problem({ addr }), /"addr" must name servers such as localhost:9042/)
    for (const keyspace of [undefined, "", "1", "a-b", 'a"', "system", "system_auth", "x".repeat(49)])
      assert.match(problem({ keyspace }), /"keyspace" must be the name of a keyspace/)
    for (const datacenter of ["", "a'b", 7])
      assert.match(problem({ datacenter }), /"datacenter" must be the name of a data centre/)
    for (const replication of [3, {}, { dc1: 0 }, { dc1: "3" }, { "a'": 1 }, null])
      assert.match(problem({ replication }), /"replication" must tell the copies in each data centre/)
    for (const credentials of ["me", null, { username: "me" }, { username: "me", password: "p", more: 1 }])
      assert.match(problem({ credentials }), /"credentials" must be \{"username"/)
    assert.match(problem({ user: "me" }), /cassandra has no field "user"; it has: name, addr, keyspace, datacenter/)
  })

  test("keep their secrets when they are refused", () => {
    const secret = "hunter2-!"
    for (const text of [
      `{"name":"postgres","addr":"postgres://u:${secret}@db"}`,
      `{"name":"${secret}"}`,
      `{"name":"sqlite","path":":memory:","password":"${secret}"}`,
      `{"name":"sqlite","path":"x","${secret}":1}`,
      `{"name":"sqlite", ${secret}`,
      secret
    ]) {
      const errors = refused({ STATEGATE_STORAGE_PROVIDER: text, STATEGATE_CHANNEL_PROVIDER: text })
      assert.strictEqual(errors.length, 2)
      assert.notInclude(errors.join(), secret)
    }
  })
})
