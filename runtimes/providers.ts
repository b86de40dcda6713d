// Provider settings are JSON and may hold passwords: nothing here repeats a value, nor the parser's own message, which
// quotes the text.

import type { Parsed } from "./formats.ts"

export type StorageProvider =
  | { readonly name: "memory" }
  | { readonly name: "sqlite"; readonly path: string }
  | {
      readonly name: "postgres"
      readonly addr: string
      readonly schema?: string
      readonly connections?: number
      readonly caFile?: string
    }
  | { readonly name: "mongo"; readonly addr: string; readonly database: string; readonly connections?: number }
  | {
      readonly name: "cassandra"
      readonly addr: string
      readonly keyspace: string
      readonly datacenter?: string
      readonly replication?: Readonly<Record<string, number>>
      readonly credentials?: { readonly username: string; readonly password: string }
      readonly connections?: number
      readonly caFile?: string
    }
export type ChannelProvider = { readonly name: "inmem" }

/** What each field of a provider is checked by: the problem, if there is one. */
type Check = (value: unknown) => string | undefined
type Known<P extends { name: string }> = {
  readonly [Name in P["name"]]: { readonly [Field in Exclude<keyof Extract<P, { name: Name }>, "name">]: Check }
}

const sqlitePath: Check = (value) => {
  if (typeof value !== "string" || value.trim() === "" || value.includes("\0")) return "must be the path of a file"
  // These open databases that vanish, and sqlite is the provider that promises to keep.
  if (value === ":memory:" || value.startsWith("file:"))
    return 'must be the path of a file; to keep nothing, use {"name":"memory"}'
  return undefined
}

const postgresAddress: Check = (value) => {
  const url = typeof value === "string" && URL.canParse(value) ? new URL(value) : undefined
  const isWhole =
    url !== undefined &&
    /^postgres(ql)?:$/.test(url.protocol) &&
    url.hostname !== "" &&
    /^\/[^/]+$/.test(url.pathname) &&
    url.hash === "" &&
    [url.username, url.password, url.pathname].every(isPercentEncoded) &&
    url.username !== ""
  if (!isWhole)
    return (
      "must be an address such as postgres://user:password@localhost:5432/database; " +
      "in a password, write @ : / ? # % as %40 %3A %2F %3F %23 %25"
    )
  const [mode, ...more] = [...url.searchParams].map(([name, given]) => `${name}=${given}`)
  return mode === undefined || (/^sslmode=(disable|require|verify-full)$/.test(mode) && more.length === 0)
    ? undefined
    : "takes nothing behind its database but ?sslmode=disable, require or verify-full"
}

const isPercentEncoded = (text: string): boolean => {
  try {
    return !decodeURIComponent(text).includes("\0")
  } catch {
    return false
  }
}

const postgresSchema: Check = (value) =>
  value === undefined || (typeof value === "string" && /^(?!pg_)[a-z_][a-z0-9_]{0,62}$/.test(value))
    ? undefined
    : "must be the name of a schema: small letters, digits and _"

const caFile: Check = (value) =>
  value === undefined || (typeof value === "string" && value.trim() !== "" && !value.includes("\0"))
    ? undefined
    : "must be the path of a PEM file"

const mongoAddress: Check = (value) => {
  if (typeof value !== "string" || !/^mongodb(\+srv)?:\/\/[^/?#\s]/.test(value))
    return "must be a connection string such as mongodb://localhost:27017"
  // Else the half of a password passes for the name of a host, and hosts are told in the log.
  if (/^[^/]*\/\/[^/?#]*[/?#].*@/s.test(value))
    return "has an @ behind its hosts: in a password, write @ : / ? # % as %40 %3A %2F %3F %23 %25"
  return undefined
}

const mongoDatabase: Check = (value) =>
  typeof value === "string" && /^[^/\\. "$*<>:|?\0]{1,63}$/.test(value) && !["admin", "local", "config"].includes(value)
    ? undefined
    : "must be the name of a database"

const cassandraAddress: Check = (value) =>
  typeof value === "string" && /^[\w.-]+(:\d{1,5})?(,[\w.-]+(:\d{1,5})?)*$/.test(value)
    ? undefined
    : "must name servers such as localhost:9042, with commas in between"

const cassandraKeyspace: Check = (value) =>
  typeof value === "string" && /^(?!system)[A-Za-z]\w{0,47}$/.test(value)
    ? undefined
    : "must be the name of a keyspace: letters, digits and _"

const isDatacenter = (value: unknown): boolean => typeof value === "string" && /^[\w. -]{1,64}$/.test(value)

const datacenter: Check = (value) =>
  value === undefined || isDatacenter(value) ? undefined : "must be the name of a data centre"

const replication: Check = (value) => {
  if (value === undefined) return undefined
  const copies = typeof value === "object" && value !== null ? Object.entries(value) : []
  return copies.length > 0 && copies.every(([center, of]) => isDatacenter(center) && Number.isInteger(of) && of > 0)
    ? undefined
    : 'must tell the copies in each data centre, such as {"datacenter1":3}'
}

const credentials: Check = (value) => {
  if (value === undefined) return undefined
  const { username, password, ...more } = (value ?? {}) as Record<string, unknown>
  return typeof username === "string" && typeof password === "string" && Object.keys(more).length === 0
    ? undefined
    : 'must be {"username":"…","password":"…"}'
}

const connections =
  (least: number): Check =>
  (value) =>
    value === undefined || (Number.isInteger(value) && least <= Number(value) && Number(value) <= 1000)
      ? undefined
      : `must be a whole number from ${least} to 1000`

const knownStorage: Known<StorageProvider> = {
  sqlite: { path: sqlitePath },
  // One to commit and one to read.
  postgres: { addr: postgresAddress, schema: postgresSchema, connections: connections(2), caFile },
  mongo: { addr: mongoAddress, database: mongoDatabase, connections: connections(1) },
  cassandra: {
    addr: cassandraAddress,
    keyspace: cassandraKeyspace,
    datacenter,
    replication,
    credentials,
    // To each server.
    connections: connections(1),
    caFile
  },
  memory: {}
}
const knownChannel: Known<ChannelProvider> = { inmem: {} }

export const storageProvider = (text: string): Parsed<StorageProvider> => provider(text, knownStorage)
export const channelProvider = (text: string): Parsed<ChannelProvider> => provider(text, knownChannel)

const provider = <P extends { name: string }>(text: string, known: Known<P>): Parsed<P> => {
  const json = parseJson(text)
  const names = Object.keys(known)
  if (typeof json !== "object" || json === null || Array.isArray(json))
    return { problem: `must be a JSON object such as {"name":"${names[0]}"}` }
  const { name, ...given } = json as Record<string, unknown>
  if (typeof name !== "string" || !Object.hasOwn(known, name))
    return { problem: `its "name" must be one of: ${names.join(", ")}` }

  const checks: Record<string, Check> = known[name as P["name"]]
  const fields = Object.keys(checks)
  const unknown = Object.keys(given)
    .filter((field) => !Object.hasOwn(checks, field))
    .map((field) => `${name} has no field ${named(field)}; it has: ${["name", ...fields].join(", ")}`)
  const wrong = fields.flatMap((field) => {
    const problem = checks[field]!(given[field])
    return problem === undefined ? [] : [`"${field}" ${problem}`]
  })
  const problems = [...unknown, ...wrong]
  // Every field of the provider was checked, and there are no others.
  return problems.length > 0 ? { problem: problems.join("; ") } : { value: json as P }
}

const parseJson = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** Field names are shown, unless they look like a value that slipped out of its place. */
const named = (field: string): string => (/^[A-Za-z]\w{0,31}$/.test(field) ? `"${field}"` : "of that name")
