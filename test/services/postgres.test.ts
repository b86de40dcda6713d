import postgres from "postgres"
import { assert, test } from "vitest"
import { obeys } from "./obeys.ts"
import { postgresql } from "./postgres.ts"

const on = async <A>(addr: string, work: (sql: postgres.Sql) => Promise<A>): Promise<A> => {
  const sql = postgres(addr, { max: 1, connect_timeout: 5, onnotice: () => {} })
  try {
    return await work(sql)
  } finally {
    await sql.end({ timeout: 1 })
  }
}

const server = obeys(postgresql, {
  keep: ({ addr, schema }, n) =>
    on(addr, async (sql) => {
      await sql`create schema if not exists ${sql(schema)}`
      await sql`create table if not exists ${sql(schema)}.kept (n int)`
      await sql`insert into ${sql(schema)}.kept values (${n})`
    }),
  kept: ({ addr, schema }) =>
    on(addr, async (sql) => (await sql`select n from ${sql(schema)}.kept order by n`).map(({ n }) => n))
})

test("PostgreSQL acknowledges what a power cut leaves", server.faults, async () => {
  const settings = await on(
    server.addr(),
    (sql) => sql`
    select current_setting('fsync') as fsync, current_setting('synchronous_commit') as commit
  `
  )
  assert.deepStrictEqual({ ...settings[0] }, { fsync: "on", commit: "on" })
})
