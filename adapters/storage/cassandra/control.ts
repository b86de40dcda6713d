import { lookup } from "node:dns/promises"
import { isIP } from "node:net"
import type { Client } from "cassandra-driver"

/** What is used of the part of the driver (4.10.0) that hears of changes in the cluster, over a connection of its own. */
interface Control {
  connection: unknown
  readonly hosts: { readonly keys: () => ReadonlyArray<string> }
  readonly _borrowAConnection: (hosts: Iterator<unknown>) => unknown
  _refreshControlConnection: (hosts: Iterator<unknown>) => Promise<void>
}

/**
 * Has the driver wait for a server to come back. When its connection for news is lost and no server is up, it would begin
 * as at its start: with new servers in place of those whose connections are being made anew, and with two listeners to
 * each connection, each of which begins again when that is lost. A few cuts later so many of these attempts meet that
 * none succeeds, or one ends the process. That is of use only where the servers are somewhere else by now.
 */
export const waitsForServers = (client: Client, addr: string): void => {
  const control = (client as unknown as { readonly controlConnection: Control }).controlConnection
  const beginAgain = control._refreshControlConnection
  control._refreshControlConnection = async (hosts) => {
    try {
      control.connection = control._borrowAConnection(hosts)
    } catch (cause) {
      if (!(await haveMoved(addr, control.hosts.keys()))) throw cause
      await beginAgain.call(control, hosts)
    }
  }
}

/** Whether names that are given stand for none of the servers that are known. */
const haveMoved = async (addr: string, known: ReadonlyArray<string>): Promise<boolean> => {
  const names = addr.split(",").map((one) => one.replace(/:\d+$/, ""))
  if (names.some((name) => isIP(name) !== 0)) return false
  const found = await Promise.all(names.map((name) => lookup(name, { all: true }).catch(() => [])))
  const addresses = found.flat().map(({ address }) => address)
  return addresses.length > 0 && !addresses.some((address) => known.some((one) => one.startsWith(`${address}:`)))
}
