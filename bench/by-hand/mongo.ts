import { MongoClient } from "mongodb"
import type { ByHand } from "./by-hand.ts"

/** Without a transaction: load, insert the event, and replace the entity unless somebody else was quicker. */
export const byHand: ByHand = async (addr, callers) => {
  const client = await new MongoClient(addr, { maxPoolSize: callers }).connect()
  const database = client.db("hand", { writeConcern: { w: "majority", journal: true } })
  const entities = database.collection<{ _id: string; version: number; values: string }>("entities")
  const events = database.collection<{ _id: string; key: string; version: number; values: string }>("events")
  return {
    set: async (key, values) => {
      const text = JSON.stringify(values)
      const before = (await entities.findOne({ _id: key }))?.version ?? 0
      await events.insertOne({ _id: crypto.randomUUID(), key, version: before + 1, values: text })
      const guard = before === 0 ? { _id: key } : { _id: key, version: before }
      await entities.updateOne(guard, { $set: { version: before + 1, values: text } }, { upsert: before === 0 })
    },
    get: async (key) => {
      await entities.findOne({ _id: key })
    },
    replay: async (pageEvents) => {
      let read = 0
      for await (const _ of events.find({}, { batchSize: pageEvents })) read += 1
      return read
    },
    close: () => client.close()
  }
}
