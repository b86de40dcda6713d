// A network between a client and a server, which a test may break.

import { once } from "node:events"
import { connect, createServer, type Socket } from "node:net"
import { serverPort } from "./server.ts"

/**
 * What becomes of bytes that a client sends. The connection of those that are `lost` or `unanswered` is reset; those that
 * are `held` come late, and nothing may be sent behind them.
 */
export type Fate = "passed" | "lost" | "unanswered" | "held"

export interface TcpProxy {
  /** The server's address, led through here. */
  readonly addr: string
  /** Resets all connections and refuses new ones. */
  readonly cut: () => Promise<void>
  /** Takes connections again, after a cut. */
  readonly heal: () => Promise<void>
  /** Decides on whatever a client sends; passes it on unless it is set. */
  fate: (bytes: Buffer) => Fate
  /** Passes on what was held. */
  readonly release: () => void
  readonly close: () => Promise<void>
}

/** Where an address, of whatever form, has its host and port. */
const endpoint = /(?<=^|\/\/|@)([^@/?:]+):(\d+)(?=$|[/?])/

/** Stands in front of the server of an address. */
export const startProxy = async (to: string): Promise<TcpProxy> => {
  const [, host = "", target = ""] = endpoint.exec(to) ?? []
  const port = await serverPort()
  const clients = new Set<Socket>()
  const held: Array<() => void> = []
  const server = createServer((client) => {
    const upstream = connect(Number(target), host)
    const reset = () => {
      client.resetAndDestroy()
      upstream.resetAndDestroy()
    }
    let isUnanswered = false
    client.on("data", (bytes: Buffer) => {
      const fate = isUnanswered ? "lost" : proxy.fate(bytes)
      if (fate === "lost") return reset()
      isUnanswered = fate === "unanswered"
      if (fate === "held") held.push(() => upstream.write(bytes))
      else upstream.write(bytes)
    })
    upstream.on("data", (bytes: Buffer) => {
      if (isUnanswered) reset()
      else client.write(bytes)
    })
    clients.add(client)
    client.on("close", () => clients.delete(client))
    for (const socket of [client, upstream]) socket.on("error", reset).on("close", reset)
  })
  const heal = async () => {
    server.listen(port, "127.0.0.1")
    await once(server, "listening")
  }
  const cut = async () => {
    if (!server.listening) return
    const closed = once(server, "close")
    server.close()
    for (const client of clients) client.resetAndDestroy()
    await closed
  }
  const addr = to.replace(endpoint, `127.0.0.1:${port}`)
  const release = () => {
    for (const pass of held.splice(0)) pass()
  }
  const proxy: TcpProxy = { addr, cut, heal, fate: () => "passed", release, close: cut }
  await heal()
  return proxy
}
