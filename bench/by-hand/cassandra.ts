import type { Readable } from "node:stream"
import { Client } from "cassandra-driver"
import type { ByHand } from "./by-hand.ts"

/** Load, insert the event, and change the entity by a lightweight transaction that expects what was loaded. */
export const byHand: ByHand = async (addr) => {
  const client = new Client({ contactPoints: [addr], localDataCenter: "datacenter1" })
  await client.connect()
  await client.execute(
    "create keyspace if not exists hand with replication = {'class': 'SimpleStrategy', 'replication_factor': 1}"
  )
  await client.execute("create table if not exists hand.entity (key text primary key, version int, values text)")
  await client.execute(
    "create table if not exists hand.event (id uuid primary key, key text, version int, values text)"
  )
  const prepared = { prepare: true }
  return {
    set: async (key, values) => {
      const text = JSON.stringify(values)
      const loaded = await client.execute("select version from hand.entity where key = ?", [key], prepared)
      const before = loaded.first()?.["version"] as number | undefined
      const version = (before ?? 0) + 1
      await client.execute(
        "insert into hand.event (id, key, version, values) values (uuid(), ?, ?, ?)",
        [key, version, text],
        prepared
      )
      if (before === undefined) {
        await client.execute(
          "insert into hand.entity (key, version, values) values (?, ?, ?) if not exists",
          [key, version, text],
          prepared
        )
      } else {
        await client.execute(
          "update hand.entity set version = ?, values = ? where key = ? if version = ?",
          [version, text, key, before],
          prepared
        )
      }
    },
    get: async (key) => {
      await client.execute("select version, values from hand.entity where key = ?", [key], prepared)
    },
    replay: async (pageEvents) => {
      let events = 0
      const all = "select id, key, version, values from hand.event"
      const options = { prepare: true, autoPage: true, fetchSize: pageEvents }
      // The driver's types call it an emitter; it is what Node reads.
      for await (const _ of client.stream(all, [], options) as Readable) events += 1
      return events
    },
    close: () => client.shutdown()
  }
}
