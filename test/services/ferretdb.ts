import { MongoClient } from "mongodb"
import { ferretdbProgram, ferretdb as installable } from "../../tools/services/ferretdb.ts"
import { postgres } from "../../tools/services/postgres.ts"
import { startPostgres } from "./postgres.ts"
import { Folder, serverPort, startServer } from "./server.ts"
import { type Kind, placesOn, type Service } from "./service.ts"

/** A database of its own on a server. */
export interface MongoPlace {
  readonly addr: string
  readonly database: string
}

export const ferretdb: Kind<MongoPlace> = {
  name: installable.name,
  variable: "STATEGATE_TEST_MONGO_ADDR",
  isInstalled: () => installable.isInstalled() && postgres.isInstalled(),
  start: () => startFerretdb(),
  given: (addr) => {
    const { fresh, names } = places(addr)
    const drop = () =>
      withClient(addr, async (client) => {
        for (const name of names) await client.db(name).dropDatabase()
      })
    return { addr, fresh, drop }
  }
}

/** Files in PEM by which a server speaks TLS, and its clients know it. */
interface Tls {
  readonly certFile: string
  readonly keyFile: string
  readonly caFile: string
}

/** A FerretDB and the PostgreSQL in which it keeps what it is given: one server, to those who use it. */
export const startFerretdb = async (tls?: Tls): Promise<Service<MongoPlace>> => {
  const below = await startPostgres()
  const port = await serverPort()
  const folder = new Folder()
  const encrypted = tls === undefined ? "" : `&tls=true&tlsCAFile=${encodeURIComponent(tls.caFile)}`
  const addr = `mongodb://127.0.0.1:${port}/?directConnection=true${encrypted}`
  const listen =
    tls === undefined
      ? [`--listen-addr=127.0.0.1:${port}`]
      : [
          "--listen-addr=",
          `--listen-tls=127.0.0.1:${port}`,
          `--listen-tls-cert-file=${tls.certFile}`,
          `--listen-tls-key-file=${tls.keyFile}`
        ]
  const above = await startServer(
    {
      name: installable.name,
      command: ferretdbProgram,
      args: [
        "--handler=postgresql",
        `--postgresql-url=${below.addr}`,
        ...listen,
        `--state-dir=${folder.path}`,
        "--telemetry=disable",
        "--debug-addr=-",
        "--log-level=error"
      ],
      stopSignal: "SIGTERM",
      probe: () => withClient(addr, (client) => client.db("ready").collection("ready").countDocuments())
    },
    folder
  ).catch(async (error: unknown) => {
    await below.remove()
    throw error
  })
  return {
    addr,
    fresh: places(addr).fresh,
    pids: () => [...above.pids(), ...below.pids()],
    stop: async () => {
      await above.stop()
      await below.stop()
    },
    kill: async () => void (await Promise.all([above.kill(), below.kill()])),
    restart: async () => {
      await below.restart()
      await above.restart()
    },
    pause: () => {
      above.pause()
      below.pause()
    },
    resume: () => {
      below.resume()
      above.resume()
    },
    remove: async () => {
      await above.remove()
      await below.remove()
    }
  }
}

const withClient = async (addr: string, work: (client: MongoClient) => Promise<unknown>) => {
  const client = new MongoClient(addr, { serverSelectionTimeoutMS: 5_000 })
  try {
    await work(client)
  } finally {
    await client.close()
  }
}

const places = (addr: string) => placesOn((database): MongoPlace => ({ addr, database }))
