import { readFileSync } from "node:fs"
import { isIP } from "node:net"
import type { ConnectionOptions } from "node:tls"
import type { Opening } from "../../../application/ports/EventStore.ts"

export interface PostgresSettings {
  /**
   * `postgres://user:password@host:port/database`. Its `sslmode` is `disable`, which it is unless it is set, `require`,
   * which encrypts and asks for no certificate, or `verify-full`.
   */
  readonly addr: string
  /** The schema that holds the tables, and nothing else; made if it is not there. `stategate` unless set. */
  readonly schema?: string
  /** Connections at once, at least 2. */
  readonly connections?: number
  /** PEM file with the authorities that may have signed the server's certificate: with it, `sslmode` is `verify-full`. */
  readonly caFile?: string
  readonly opening?: Opening
}

export interface Address {
  readonly host: string
  readonly port: number
  readonly user: string
  readonly password: string
  readonly database: string
  /** What TLS is spoken with; undefined: none is. */
  readonly tls: ConnectionOptions | undefined
}

/** Throws where the address is none, or the file cannot be read. */
export const addressOf = ({ addr, caFile }: PostgresSettings): Address => {
  const url = new URL(addr)
  const host = url.hostname.replace(/^\[(.*)\]$/, "$1")
  const mode = caFile === undefined ? url.searchParams.get("sslmode") : "verify-full"
  return {
    host,
    port: Number(url.port || 5432),
    user: decodeURIComponent(url.username),
    password: decodeURIComponent(url.password),
    database: decodeURIComponent(url.pathname.slice(1)),
    tls:
      mode === null || mode === "disable"
        ? undefined
        : {
            rejectUnauthorized: mode !== "require",
            ...(isIP(host) === 0 ? { servername: host } : { host }),
            ...(caFile === undefined ? {} : { ca: readFileSync(caFile, "utf8") })
          }
  }
}
