import { setTimeout as sleep } from "node:timers/promises"
import { Effect, Fiber, Latch } from "effect"
import { assert, describe, test } from "vitest"
import { Lost } from "../../adapters/storage/postgres/errors.ts"
import { given, Pool } from "../../adapters/storage/postgres/pool.ts"
import { storeAskMsMax, storeQuietCheckMs, storeQuietMs, storeWaitingMax } from "../../application/limits.ts"
import { logOf } from "../contract/event-store/writing.ts"
import { fresh, same } from "../contract/law.ts"
import { goesAway, recovered, tried } from "./away.ts"
import { postgresWorld } from "./postgres-world.ts"

// A server that goes away, or does not answer, or has no connection to spare.

const { server, cleanups, gateway, stranger, intruder, connection } = postgresWorld()

goesAway(server, { gateway })

describe("a server of PostgreSQL that goes away", server.faults, () => {
  test("and is back at once costs nothing: what is idle is not relied on", async () => {
    const one = gateway(server.fresh())
    const domain = fresh("back")
    const all = [...(await one.runPromise(tried(domain))).events]
    for (const how of ["stop", "kill"] as const) {
      await server.own()[how]()
      await server.own().restart()
      assert.strictEqual((await one.runPromise(logOf(domain))).length, all.length)
      const { outcome, events } = await one.runPromise(tried(domain))
      assert.strictEqual(outcome, "done")
      all.push(...events)
    }
    same(await one.runPromise(logOf(domain)), all, "the log")
  })

  test("for new connections alone, of which it has none to spare, serves those that are there", async () => {
    const place = server.fresh()
    const operator = stranger(place)
    const role = `few_${place.schema}`
    await operator.unsafe(`create role ${role} login; grant create on database postgres to ${role}`)
    cleanups.push(() => operator.unsafe(`drop owned by ${role} cascade; drop role ${role}`))
    const one = gateway({ ...place, addr: place.addr.replace("postgres@", `${role}@`) })
    const domain = fresh("full")
    const { events } = await one.runPromise(tried(domain))
    await one.runPromise(logOf(domain))
    await operator.unsafe(`alter role ${role} connection limit 0`)
    // The connection by which it asks whether the server is there.
    await operator`select pg_terminate_backend(pid, 5000) from pg_stat_activity where query like '%clock_timestamp%'
      and usename = ${role}`
    const { sql, isWaitedFor, end } = await intruder(place)
    await sql`select from domains for update`
    const blocked = one.runPromise(tried(domain))
    await isWaitedFor()
    await sleep(storeQuietMs + 3 * (storeAskMsMax + storeQuietCheckMs))
    assert.lengthOf(await one.runPromise(logOf(domain)), events.length)
    await end("rollback")
    assert.strictEqual((await blocked).outcome, "done")
  })

  test("as its standby does that it waits for: what no standby has is not told as done", async () => {
    const place = server.fresh()
    const one = gateway(place)
    const domain = fresh("replicated")
    await one.runPromise(tried(domain))
    const sql = stranger(place)
    const waitsFor = async (name: string) => {
      await sql.unsafe(`alter system set synchronous_standby_names = '${name}'`)
      await sql`select pg_reload_conf()`
    }
    await waitsFor("nobody")
    // The server's processes hear of it one by one; they all know once somebody's commit waits.
    const someone = stranger(place)
    const isWaiting = async () => (await sql`select from pg_stat_activity where wait_event = 'SyncRep'`).length > 0
    for (let isDone = true; isDone; ) {
      isDone = false
      someone`select pg_logical_emit_message(true, '', '')`.then(() => {
        isDone = true
      })
      while (!isDone && !(await isWaiting())) await sleep(5)
    }
    const { outcome, events } = await one.runPromise(tried(domain))
    await waitsFor("")
    assert.strictEqual(outcome, "OutcomeUnknown")
    const after = await one.runPromise(recovered(domain))
    same((await one.runPromise(logOf(domain))).slice(2), [...events, ...after], "it was there, all the same")
  })
})

describe("connections to PostgreSQL", server.options, () => {
  const poolOf = async (size: number) => {
    const place = server.fresh()
    let made = 0
    const pool = new Pool(async () => {
      made += 1
      return connection(place)
    }, size)
    cleanups.push(() => pool.close())
    return { pool, made: () => made }
  }
  const refused = (use: Promise<unknown>) =>
    use.then(
      () => assert.fail("there was a connection"),
      (error: unknown) => {
        assert.instanceOf(error, Lost)
        return (error as Lost).message
      }
    )

  test.each([1, 3])("are no more than they may be (%i), and lent in turn", async (size) => {
    const { pool, made } = await poolOf(size)
    const begun: Array<number> = []
    let lent = 0
    let most = 0
    const uses = Array.from({ length: 30 }, (_, i) =>
      pool.use(async (connection) => {
        begun.push(i)
        most = Math.max(most, ++lent)
        await connection.query("SELECT pg_sleep(0.01)")
        lent -= 1
      })
    )
    await Promise.all(uses)
    assert.deepStrictEqual([most, made()], [size, size])
    assert.deepStrictEqual(begun, [...uses.keys()])
  })

  test("that are all lent are not waited for by too many, nor for long", async () => {
    const { pool } = await poolOf(1)
    const { promise: over, resolve: end } = Promise.withResolvers<void>()
    const held = pool.use(() => over)
    const waiting = Array.from({ length: storeWaitingMax }, () => pool.use(async () => "served"))
    assert.include(await refused(pool.use(async () => "served")), `${storeWaitingMax} calls wait`)
    for (const message of await Promise.all(waiting.map(refused))) assert.include(message, "no connection was free")
    const late = pool.use(async () => "served")
    end()
    await held
    assert.strictEqual(await late, "served")
  })

  test("are given up with a question that nobody waits for any more", async () => {
    const { pool, made } = await poolOf(1)
    const ask = (seconds: number) => given(pool, (connection) => connection.query(`SELECT pg_sleep(${seconds})`))
    await Effect.runPromise(ask(0))
    assert.strictEqual((await Effect.runPromise(Effect.timeoutOption(ask(60), 50)))._tag, "None")
    // Neither is it asked again on another one.
    assert.strictEqual(made(), 1)
    await Effect.runPromise(ask(0))
    assert.strictEqual(made(), 2)
  })

  test("are not asked what nobody waits for any more when they come", async () => {
    const place = server.fresh()
    const [come, asked] = [Latch.makeUnsafe(false), Latch.makeUnsafe(false)]
    let made = 0
    const pool = new Pool(async () => {
      made += 1
      await Effect.runPromise(Effect.andThen(asked.open, come.await))
      return connection(place)
    }, 1)
    cleanups.push(() => pool.close())
    let isAsked = false
    const ask = given(pool, async () => {
      isAsked = true
    })
    const asking = Effect.runFork(ask)
    await Effect.runPromise(Effect.andThen(asked.await, Fiber.interrupt(asking)))
    await Effect.runPromise(come.open)
    assert.strictEqual(await pool.use(async () => "served"), "served")
    // Else none that takes long to make would ever be there.
    assert.deepStrictEqual([isAsked, made], [false, 1])
  })

  test("that the server ends are replaced, and what was asked is asked again once", async () => {
    const { pool, made } = await poolOf(1)
    const pid = async (connection: { query: (text: string) => Promise<unknown> }) =>
      ((await connection.query("SELECT pg_backend_pid() AS pid")) as ReadonlyArray<{ readonly pid: number }>)[0]!.pid
    const first = await pool.use(pid)
    const sql = stranger(server.fresh())
    await sql`select pg_terminate_backend(${first}, 5000)`
    assert.notStrictEqual(await pool.use(pid), first)
    assert.strictEqual(made(), 2)
    // A new connection is not to blame: whoever loses that one hears of it.
    let tries = 0
    const lose = pool.use(async (connection) => {
      tries += 1
      await connection.query("SELECT pg_terminate_backend(pg_backend_pid())")
    })
    await lose.then(
      () => assert.fail("it was lost"),
      () => {}
    )
    assert.strictEqual(tries, 2)
    assert.isNumber(await pool.use(pid))
  })
})
