// What tests of PostgreSQL work with: gateways on a schema of their own, and somebody else who reaches into it.

import { setTimeout as sleep } from "node:timers/promises"
import { Effect, ManagedRuntime, Result } from "effect"
import postgres from "postgres"
import { afterEach } from "vitest"
import { Client } from "../../adapters/storage/postgres/client.ts"
import { addressOf, type PostgresSettings } from "../../adapters/storage/postgres/connection.ts"
import { layer } from "../../adapters/storage/postgres/store.ts"
import { type Batch, EventStore } from "../../application/ports/EventStore.ts"
import { type PostgresPlace, postgresql } from "../services/postgres.ts"
import { startProxy } from "../services/proxy.ts"
import { use } from "../services/service.ts"

export const postgresWorld = () => {
  const server = use(postgresql)
  const cleanups: Array<() => unknown> = []
  afterEach(async () => {
    for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
  })

  const gateway = (settings: PostgresSettings) => {
    const runtime = ManagedRuntime.make(layer(settings))
    cleanups.push(() => runtime.dispose())
    return runtime
  }

  /** Somebody else at work in the schema. */
  const stranger = ({ addr, schema }: PostgresPlace) => {
    const sql = postgres(addr, { max: 1, onnotice: () => {}, connection: { search_path: schema } })
    cleanups.push(() => sql.end({ timeout: 1 }))
    return sql
  }

  /** A connection such as the adapter has. */
  const connection = ({ addr, schema }: PostgresPlace) => {
    const made = new Client(addressOf({ addr }), { search_path: schema })
    cleanups.push(() => made.end())
    return made
  }

  /** A gateway whose connections a test can break, and one that it cannot. */
  const broken = async () => {
    const place = server.fresh()
    const proxy = await startProxy(place.addr)
    cleanups.push(proxy.close)
    return { place, proxy, one: gateway({ ...place, addr: proxy.addr }), other: gateway(place) }
  }

  /** Somebody else in the middle of a transaction. */
  const intruder = async (place: PostgresPlace) => {
    const sql = await stranger(place).reserve()
    await sql`begin`
    const [session] = await sql<Array<{ readonly pid: number }>>`select pg_backend_pid() as pid`
    const watcher = stranger(place)
    /** Resolves when someone waits for them. */
    const isWaitedFor = async () => {
      const waiting = () => watcher`select from pg_stat_activity where ${session!.pid} = any(pg_blocking_pids(pid))`
      while ((await waiting()).length === 0) await sleep(5)
    }
    const end = async (how: "commit" | "rollback") => {
      await sql.unsafe(how)
      sql.release()
    }
    return { sql, isWaitedFor, end }
  }

  return { server, cleanups, gateway, stranger, intruder, connection, broken }
}

/** What became of batches that are committed together: "done", or how each failed. */
export const outcomesOf = (batches: ReadonlyArray<Batch>) =>
  Effect.map(
    EventStore.use((store) => store.commit(batches)),
    (results) => results.map((result) => (Result.isSuccess(result) ? "done" : result.failure._tag))
  )
