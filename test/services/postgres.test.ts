import { setTimeout as sleep } from "node:timers/promises"
import postgres from "postgres"
import { assert, describe, test } from "vitest"
import { postgresql } from "./postgres.ts"
import { isRunning } from "./server.ts"
import { use } from "./service.ts"

const server = use(postgresql)

const on = async <A>(work: (sql: postgres.Sql) => Promise<A>): Promise<A> => {
  const sql = postgres(server.addr(), { max: 1, connect_timeout: 5 })
  try {
    return await work(sql)
  } finally {
    await sql.end({ timeout: 1 })
  }
}

describe("a PostgreSQL of one's own", server.faults, () => {
  test("acknowledges nothing that a power cut would take back", async () => {
    const setting = async (name: string) =>
      await on(async (sql) => (await sql`select current_setting(${name}) as it`)[0]?.it)
    assert.strictEqual(await setting("fsync"), "on")
    assert.strictEqual(await setting("synchronous_commit"), "on")
  })

  test("comes back with what it held after a stop and after a kill", async () => {
    const { schema } = server.fresh()
    await on((sql) => sql`create schema ${sql(schema)}`)
    await on((sql) => sql`create table ${sql(schema)}.kept (how text)`)
    for (const how of ["stop", "kill"] as const) {
      await on((sql) => sql`insert into ${sql(schema)}.kept values (${how})`)
      const before = server.own().pids()
      assert.isAbove(before.length, 3)
      await server.own()[how]()
      assert.deepStrictEqual(server.own().pids(), [])
      assert.isFalse(before.some(isRunning))
      await server.own().restart()
    }
    const kept = await on((sql) => sql`select how from ${sql(schema)}.kept`)
    assert.deepStrictEqual(
      kept.map(({ how }) => how),
      ["stop", "kill"]
    )
  })

  test("answers nothing while it is halted, and then all", async () => {
    await on(async (sql) => {
      await sql`select 1`
      server.own().pause()
      let answered = false
      const answer = sql`select 2 as it`.then((rows) => {
        answered = true
        return rows[0]?.it
      })
      await sleep(300)
      assert.isFalse(answered)
      server.own().resume()
      assert.strictEqual(await answer, 2)
    })
  })
})
