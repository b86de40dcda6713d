// A network between a client and a server, which a test may break.

import { once } from "node:events"
import { connect, createServer, type Socket } from "node:net"
import { serverPort } from "./server.ts"

/** What becomes of bytes that a client sends. The connection of those that are `lost` or `unanswered` is reset. */
export type Fate = "passed" | "lost" | "unanswered"

export interface TcpProxy {
  /** The server's address, led through here. */
  readonly addr: string
  /** Resets all connections and refuses new ones. */
  readonly cut: () => Promise<void>
  /** Takes connections again, after a cut. */
  readonly heal: () => Promise<void>
  /** Decides on whatever a client sends; passes it on unless it is set. */
  fate: (bytes: Buffer) => Fate
  readonly close: () => Promise<void>
}

/** Where an address, of whatever form, has its host and port. */
const endpoint = /(?<=^|\/\/|@)([^@/?:]+):(\d+)(?=$|[/?])/

/** Stands in front of the server of an address. */
export const startProxy = async (to: string): Promise<TcpProxy> => {
  const [, host = "", target = ""] = endpoint.exec(to) ?? []
  const port = await serverPort()
  const clients = new Set<Socket>()
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
      upstream.write(bytes)
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
  const proxy: TcpProxy = { addr, cut, heal, fate: () => "passed", close: cut }
  await heal()
  return proxy
}
