import { chownSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { Effect } from "effect"
import { assert, describe, test } from "vitest"
import type { PostgresSettings } from "../../adapters/storage/postgres/connection.ts"
import { open } from "../../adapters/storage/postgres/connection.ts"
import { layer } from "../../adapters/storage/postgres/store.ts"
import { EventStore } from "../../application/ports/EventStore.ts"
import { findPostgres } from "../../tools/services/postgres.ts"
import { logOf } from "../contract/event-store/writing.ts"
import { fresh } from "../contract/law.ts"
import { useDictionary } from "../services/collation.ts"
import { startPostgres } from "../services/postgres.ts"
import { openssl, testCertificates } from "../support/certificate.ts"
import { freePort, temporaryFolder } from "../support/process.ts"
import { tried } from "./away.ts"
import { beginTogether, opening } from "./opening.ts"
import { postgresWorld } from "./postgres-world.ts"

// What keeps a gateway from starting, and what does not. An operator reads the messages.

const { server, cleanups, gateway, stranger } = postgresWorld()
const dictionary = useDictionary(server)

const start = async (settings: PostgresSettings): Promise<string> => (await opening(open(settings))).end

/** A server with settings of its own. */
const started = async (...settings: ReadonlyArray<string>) => {
  const own = await startPostgres(settings)
  cleanups.push(own.remove)
  return own
}

/** A file that the server may read, and nobody else. */
const ownFile = (name: string, text: string): string => {
  const { path, remove } = temporaryFolder()
  cleanups.push(remove)
  const file = join(path, name)
  writeFileSync(file, text, { mode: 0o600 })
  const user = findPostgres()?.user
  if (user !== undefined) for (const owned of [path, file]) chownSync(owned, user.uid, user.gid)
  return file
}

test("a server that is not there is named, and the password is not", async () => {
  const port = await freePort()
  const message = await start({ addr: `postgres://me:hunter2-%21@127.0.0.1:${port}/shop` })
  assert.include(message, `the database cannot be opened: shop at 127.0.0.1:${port}: `)
  assert.include(message, "ECONNREFUSED")
  assert.notInclude(message, "hunter2")
})

describe("a schema of PostgreSQL", server.options, () => {
  test("that a newer version wrote is refused, and left alone", async () => {
    const place = server.fresh()
    assert.strictEqual(await start(place), "it opened")
    const sql = stranger(place)
    await sql`update stategate_format set version = 99`
    assert.include(await start(place), "was written by a newer version (its format is 99, ours 1)")
    assert.deepStrictEqual([...(await sql`select version from stategate_format`)], [{ version: 99 }])
  })

  test("that holds another program's tables is refused, and left alone", async () => {
    const place = server.fresh()
    const sql = stranger(place)
    await sql`create schema ${sql(place.schema)}`
    await sql`create table domains (theirs int)`
    await sql`insert into domains values (7)`
    assert.include(await start(place), `the schema ${place.schema} holds another program's tables`)
    assert.deepStrictEqual([...(await sql`select theirs from domains`)], [{ theirs: 7 }])
  })

  test("may be new to several gateways at once", async () => {
    const place = server.fresh()
    await beginTogether(6, () => layer(place))
  })

  test("that is there needs none who may make one, and a password is asked for once", server.faults, async () => {
    const hba = "host all clerk 127.0.0.1/32 scram-sha-256\nhost all all 127.0.0.1/32 trust\n"
    const own = await started(`hba_file=${ownFile("hba", hba)}`)
    const place = own.fresh()
    assert.strictEqual(await start(place), "it opened")
    const sql = stranger(place)
    await sql`create role clerk login password 'p@ss/word%!'`
    await sql`revoke create on database postgres from public`
    await sql`grant usage on schema ${sql(place.schema)} to clerk`
    await sql`grant select, insert, update, delete on all tables in schema ${sql(place.schema)} to clerk`
    const as = (password: string) => ({
      ...place,
      addr: place.addr.replace("postgres@", `clerk:${encodeURIComponent(password)}@`)
    })
    assert.strictEqual((await gateway(as("p@ss/word%!")).runPromise(tried(fresh("clerk")))).outcome, "done")
    const message = await start(as("hunter2"))
    assert.include(message, 'password authentication failed for user "clerk"')
    assert.notInclude(message, "hunter2")
    assert.include(await start({ ...as("p@ss/word%!"), schema: "other" }), "permission denied")
  })
})

describe("a database of PostgreSQL", server.options, () => {
  test("whose encoding cannot hold every name is refused", async () => {
    const place = server.fresh()
    const sql = stranger(place)
    await sql`create database latin template template0 encoding latin1 lc_collate 'C' lc_ctype 'C'`
    const message = await start({ ...place, addr: place.addr.replace(/\/\w+$/, "/latin") })
    await sql`drop database latin`
    assert.include(message, "the database is encoded in LATIN1, and must be in UTF8")
  })

  test("that may not be written is refused, and other defaults of its own do not count", async () => {
    const place = { ...server.fresh(), addr: dictionary.addr() }
    const sql = stranger(place)
    const name = new URL(place.addr).pathname.slice(1)
    const defaults = ["synchronous_commit = off", "default_transaction_isolation = 'serializable'", "lock_timeout = 1"]
    for (const setting of [...defaults, "statement_timeout = 1", "idle_in_transaction_session_timeout = 0"])
      await sql.unsafe(`alter database ${name} set ${setting}`)
    const settings = Effect.scoped(
      Effect.gen(function* () {
        const { commits, reads } = yield* open(place)
        const shown = (pool: typeof reads) =>
          Effect.promise(() =>
            pool.use(async (connection) => {
              const [row] = await connection.query<Record<string, string>>(`
                SELECT current_setting('synchronous_commit') AS sync, current_setting('lock_timeout') AS lock,
                  current_setting('default_transaction_isolation') AS isolation,
                  current_setting('statement_timeout') AS statement,
                  current_setting('idle_in_transaction_session_timeout') AS idle`)
              return { ...row }
            })
          )
        return [yield* shown(commits), yield* shown(reads)]
      })
    )
    const same = { sync: "on", isolation: "read committed", lock: "5s", idle: "2s" }
    assert.deepStrictEqual(await Effect.runPromise(settings), [
      { ...same, statement: "0" },
      { ...same, statement: "5s" }
    ])
    await sql.unsafe(`alter database ${name} set default_transaction_read_only = on`)
    assert.include(await start(place), "it is read-only (default_transaction_read_only = on)")
  })
})

describe("a server of PostgreSQL", server.faults, () => {
  test("that may lose what it acknowledged is refused", async () => {
    assert.include(await start((await started("fsync=off")).fresh()), "may lose what it has acknowledged (fsync = off)")
  })

  test("whose files a power cut may damage is told of", async () => {
    const { end, lines } = await opening(open((await started("full_page_writes=off")).fresh()))
    assert.strictEqual(end, "it opened")
    assert.deepStrictEqual(lines, [
      "Warn PostgreSQL runs with full_page_writes = off: a power cut may damage its files"
    ])
  })

  test("that is a standby is refused, and not read from when it has become one", async () => {
    const own = await started()
    const place = own.fresh()
    const one = gateway(place)
    const domain = fresh("standby")
    const { events } = await one.runPromise(tried(domain))
    const sql = stranger(place)
    // The server runs it where its files are.
    await sql`copy (select) to program 'touch standby.signal'`
    await sql.end()
    await own.stop()
    await own.restart()
    assert.include(await start(place), "it is a standby; give the address of the primary")
    const read = await one.runPromiseExit(logOf(domain))
    assert.include(String(read), "Unavailable")
    assert.strictEqual((await one.runPromise(tried(domain))).outcome, "Unavailable")
    await stranger(place)`select pg_promote()`
    assert.strictEqual((await one.runPromise(logOf(domain))).length, events.length)
    assert.strictEqual((await one.runPromise(tried(domain))).outcome, "done")
  })

  test("speaks TLS where it is asked to, and proves who it is", openssl.options, async () => {
    const { ca, cert, key, strangerCert } = testCertificates()
    const [certFile, keyFile] = [ownFile("cert.pem", cert), ownFile("key.pem", key)]
    const own = await started("ssl=on", `ssl_cert_file=${certFile}`, `ssl_key_file=${keyFile}`)
    const place = own.fresh()
    const at = (search: string) => ({ ...place, addr: `${place.addr}${search}` })
    assert.strictEqual(await start(at("?sslmode=disable")), "it opened")
    assert.strictEqual(await start(at("?sslmode=require")), "it opened")
    assert.match(await start(at("?sslmode=verify-full")), /certificate/)
    const caFile = ownFile("ca.pem", ca)
    assert.strictEqual(await start({ ...place, caFile }), "it opened")
    // Although it asks for less, and by a name as well as by an address.
    assert.strictEqual(
      await start({ ...at("?sslmode=require"), addr: place.addr.replace("127.0.0.1", "localhost"), caFile }),
      "it opened"
    )
    assert.match(await start({ ...place, caFile: ownFile("stranger.pem", strangerCert) }), /certificate/)
    assert.match(await start({ ...place, caFile: "missing.pem" }), /ENOENT.*missing\.pem/)
    const one = gateway({ ...place, caFile })
    await one.runPromise(EventStore)
    const sessions = await stranger(place)`
      select ssl from pg_stat_ssl join pg_stat_activity using (pid) where application_name = 'stategate'`
    assert.isAbove(sessions.length, 0)
    assert.isTrue(sessions.every(({ ssl }) => ssl))
  })

  test("that speaks no TLS is not spoken to without it", async () => {
    const own = await started()
    assert.notInclude(await start({ addr: `${own.addr}?sslmode=require`, schema: "shop" }), "it opened")
  })
})
