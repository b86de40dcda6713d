import postgres from "postgres"
import type { ByHand } from "./by-hand.ts"

/** One transaction a change: load under a lock, insert the event, upsert the entity. */
export const byHand: ByHand = async (addr, callers) => {
  const sql = postgres(addr, { max: callers, onnotice: () => {} })
  await sql`create table if not exists hand_entity (key text primary key, version int8 not null, values jsonb not null)`
  await sql`create table if not exists hand_event (id uuid primary key, key text not null, version int8 not null,
    values jsonb not null, time int8 not null)`
  return {
    set: async (key, values) => {
      await sql.begin(async (transaction) => {
        const [entity] = await transaction`select version from hand_entity where key = ${key} for update`
        const version = String(BigInt((entity?.["version"] as string | undefined) ?? 0) + 1n)
        await transaction`insert into hand_event values
          (${crypto.randomUUID()}, ${key}, ${version}, ${transaction.json(values)}, ${Date.now()})`
        await transaction`insert into hand_entity values (${key}, ${version}, ${transaction.json(values)})
          on conflict (key) do update set version = excluded.version, values = excluded.values`
      })
    },
    get: async (key) => {
      await sql`select version, values from hand_entity where key = ${key}`
    },
    replay: async (pageEvents) => {
      let events = 0
      for await (const page of sql`select id, key, version, values, time from hand_event`.cursor(pageEvents))
        events += page.length
      return events
    },
    close: () => sql.end()
  }
}
