import { setTimeout as sleep } from "node:timers/promises"
import { MongoClient } from "mongodb"
import { assert, describe, test } from "vitest"
import { type MongoSettings, open } from "../../adapters/storage/mongo/connection.ts"
import { collectionProblem } from "../../adapters/storage/mongo/schema.ts"
import { layer } from "../../adapters/storage/mongo/store.ts"
import { ferretdb, startFerretdb } from "../services/ferretdb.ts"
import { startProxy } from "../services/proxy.ts"
import { hookMsMax } from "../services/server.ts"
import { use } from "../services/service.ts"
import { openssl, testCertificates } from "../support/certificate.ts"
import { freePort, temporaryFolder } from "../support/process.ts"
import { beginTogether, opening } from "./opening.ts"

// What keeps a gateway from starting. An operator reads the messages.

const server = use(ferretdb)

const start = async (place: MongoSettings): Promise<string> => (await opening(open(place))).end

/** What somebody else does to a database. */
const during = async <A>({ addr }: MongoSettings, work: (client: MongoClient) => Promise<A>): Promise<A> => {
  const client = new MongoClient(addr)
  try {
    return await work(client)
  } finally {
    await client.close()
  }
}

test("a server that is not there is named, and the password is not", async () => {
  const port = await freePort()
  const message = await start({
    addr: `mongodb://user:hunter2-%21@127.0.0.1:${port}/?directConnection=true`,
    database: "shop"
  })
  assert.include(message, `the database cannot be opened: shop at 127.0.0.1:${port}: `)
  assert.include(message, "ECONNREFUSED")
  assert.notInclude(message, "hunter2")
})

test("an address that cannot be read is not repeated", async () => {
  for (const addr of [
    "mongodb://user:hunter2/x@",
    "mongodb://user:hunter2@h:99999999",
    "mongodb://u:hunter2@h/?nothing=1"
  ]) {
    const message = await start({ addr, database: "shop" })
    assert.include(message, "its address is not a connection string that can be read")
    assert.notInclude(message, "hunter2")
  }
})

test("a server that comes a little later is waited for", server.faults, async () => {
  const place = server.fresh()
  const proxy = await startProxy(place.addr)
  await proxy.cut()
  const opened = start({ ...place, addr: proxy.addr })
  await sleep(1_500)
  await proxy.heal()
  assert.strictEqual(await opened, "it opened")
  await proxy.close()
})

describe("a database", server.options, () => {
  test("that a newer version wrote is refused, and left alone", async () => {
    const place = server.fresh()
    assert.strictEqual(await start(place), "it opened")
    const format = async (client: MongoClient) => {
      const formats = client.db(place.database).collection<{ readonly _id: string }>("stategate.format")
      await formats.updateOne({ _id: "rows" }, { $set: { format: 99 } })
    }
    await during(place, format)
    assert.include(await start(place), "was written by a newer version (its format is 99, ours 1)")
  })

  test("whose indexes are others' is refused", async () => {
    const place = server.fresh()
    await during(place, (client) =>
      client.db(place.database).collection("stategate.events").createIndex({ domain: 1 }, { name: "time" })
    )
    assert.include(await start(place), "the database cannot be opened")
  })

  test("that is sharded by anything but the domain is refused", server.faults, async () => {
    const place = server.fresh()
    // A cluster tells there how it is sharded; this server has no shards, and lets anyone write it.
    const shardedBy = (key: object, unsplittable = false) =>
      during(place, async (client) => {
        const collections = client.db("config").collection<{ readonly _id: string }>("collections")
        const _id = `${place.database}.stategate.claims`
        await collections.updateOne({ _id }, { $set: { key, unsplittable } }, { upsert: true })
      })
    for (const key of [{ domain: 1 }, { domain: "hashed" }]) {
      await shardedBy(key)
      assert.strictEqual(await start(place), "it opened")
    }
    for (const key of [{ _id: 1 }, { domain: 1, position: 1 }, { position: 1 }]) {
      await shardedBy(key)
      assert.match(await start(place), /stategate\.claims is sharded by .*; its shard key must be domain alone/)
    }
    await shardedBy({ _id: 1 }, true)
    assert.strictEqual(await start(place), "it opened", "in one piece")
  })

  test("may be new to several gateways at once", async () => {
    const place = server.fresh()
    await beginTogether(4, () => layer(place))
  })
})

describe("a server with TLS", { ...server.faults, timeout: hookMsMax }, () => {
  test("is believed by its certificate, and not without", openssl.options, async () => {
    const { write, remove } = temporaryFolder()
    const { ca, cert, key, strangerCert } = testCertificates()
    const files = { certFile: write("cert.pem", cert), keyFile: write("key.pem", key), caFile: write("ca.pem", ca) }
    const own = await startFerretdb(files)
    try {
      const place = own.fresh()
      assert.strictEqual(await start(place), "it opened")
      const addr = place.addr.replace("ca.pem", "stranger.pem")
      write("stranger.pem", strangerCert)
      assert.match(await start({ ...place, addr }), /the database cannot be opened: .*certificate/)
      assert.include(await start({ ...place, addr: place.addr.replace(/&tls.*/, "") }), "the database cannot be opened")
    } finally {
      await own.remove()
      remove()
    }
  })
})

// FerretDB has none of these, so the words of a server that has them are given.
test("a collection that forgets, or takes two names for one, is refused", () => {
  assert.isUndefined(collectionProblem({ type: "collection" }))
  assert.isUndefined(collectionProblem({ type: "collection", options: { collation: { locale: "simple" } } }))
  assert.include(collectionProblem({ type: "collection", options: { collation: { locale: "en" } } }), "has a collation")
  for (const info of [
    { type: "view" },
    { type: "timeseries" },
    { type: "collection", options: { capped: true } },
    { type: "collection", options: { expireAfterSeconds: 60 } }
  ])
    assert.include(collectionProblem(info), "must be a plain collection")
})
