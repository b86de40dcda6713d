import { execFileSync } from "node:child_process"
import { join } from "node:path"
import postgres from "postgres"
import { findPostgres, postgres as installable } from "../../tools/services/postgres.ts"
import { Folder, serverPort, startServer } from "./server.ts"
import { type Kind, placesOn, type Service } from "./service.ts"

/** A schema of its own on a server, which the adapter makes. */
export interface PostgresPlace {
  readonly addr: string
  readonly schema: string
}

export const postgresql: Kind<PostgresPlace> = {
  name: "PostgreSQL",
  variable: "STATEGATE_TEST_POSTGRES_ADDR",
  isInstalled: installable.isInstalled,
  start: () => startPostgres(),
  given: (addr) => {
    const { fresh, names } = places(addr)
    const drop = async () => {
      const sql = postgres(addr, { max: 1, onnotice: () => {} })
      for (const schema of names) await sql`drop schema if exists ${sql(schema)} cascade`
      await sql.end()
    }
    return { addr, fresh, drop }
  }
}

/** A server in a folder of its own; what it acknowledges survives a power cut. */
export const startPostgres = async (settings: ReadonlyArray<string> = []): Promise<Service<PostgresPlace>> => {
  const { bin, user } = findPostgres()!
  const port = await serverPort()
  const folder = new Folder(user)
  const data = join(folder.path, "data")
  const init = ["-D", data, "-A", "trust", "-U", "postgres", "--no-sync", "-E", "UTF8", "--locale=C.UTF-8"]
  execFileSync(join(bin, "initdb"), init, { ...user, cwd: folder.path, stdio: "pipe" })
  const all = [
    "listen_addresses=127.0.0.1",
    "unix_socket_directories=",
    "fsync=on",
    "synchronous_commit=on",
    ...settings
  ]
  const addr = `postgres://postgres@127.0.0.1:${port}/postgres`
  const control = await startServer(
    {
      name: "PostgreSQL",
      command: join(bin, "postgres"),
      args: ["-D", data, "-p", String(port), ...all.flatMap((setting) => ["-c", setting])],
      user,
      // Ends its sessions and then itself; SIGTERM would wait for them.
      stopSignal: "SIGINT",
      probe: () => works(addr)
    },
    folder
  )
  return { addr, fresh: places(addr).fresh, ...control }
}

const works = async (addr: string) => {
  const sql = postgres(addr, { max: 1, connect_timeout: 5, onnotice: () => {} })
  try {
    await sql`select 1`
  } finally {
    await sql.end({ timeout: 1 })
  }
}

const places = (addr: string) => placesOn((schema): PostgresPlace => ({ addr, schema }))
