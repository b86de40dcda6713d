import { MongoClient } from "mongodb"
import { ferretdb, type MongoPlace } from "./ferretdb.ts"
import { obeys } from "./obeys.ts"

interface Kept {
  readonly _id: number
}

const on = async <A>({ addr, database }: MongoPlace, work: (client: ReturnType<typeof collection>) => Promise<A>) => {
  const client = new MongoClient(addr, { serverSelectionTimeoutMS: 2_000 })
  try {
    return await work(collection(client, database))
  } finally {
    await client.close()
  }
}

const collection = (client: MongoClient, database: string) => client.db(database).collection<Kept>("kept")

obeys(ferretdb, {
  keep: (place, n) => on(place, (all) => all.insertOne({ _id: n }, { writeConcern: { w: "majority", j: true } })),
  kept: (place) => on(place, async (all) => (await all.find().sort({ _id: 1 }).toArray()).map(({ _id }) => _id))
})
