import type { types } from "cassandra-driver"
import type { CommitRecord, LogPosition } from "../../../application/storage/commit-records/primitives.ts"
import { eventText } from "../../../application/storage/commit-records/record.ts"
import { hashed } from "../../../application/storage/index-terms.ts"
import type { Head } from "../../../domain/batch.ts"
import type { Ref, State } from "../../../domain/entity.ts"
import type { Event } from "../../../domain/event.ts"
import { jsonParsed, jsonText } from "../../../domain/json.ts"

// Rows as they are bound and read, columns in the order of the statements. Integers of 64 bits are bigints. What clients
// wrote is text, and only ever bound.

/** A row as the driver gives it: what each column holds is known by the statement. */
export type Row = types.Row
export type Params = ReadonlyArray<unknown>

/** Partitions of the heads of all domains, and of the entities of one type in a domain. They never change. */
export const parts = Array.from({ length: 64 }, (_, part) => part)
export const shards = Array.from({ length: 16 }, (_, shard) => shard)

export const partOf = (domain: string): number => hashed(domain) % parts.length
export const shardOf = (key: string): number => hashed(key) % shards.length

/**
 * The timestamp of what a commit writes: of two writes to one cell the later one by position counts, in whatever order
 * they come. Above every clock, so that what an operator writes by hand never wins over a commit; and with room after
 * it for what mends the projection.
 */
export const timestampAt = (position: bigint): bigint => 2n ** 62n + position * 2n ** 16n

/** The primary key of a position, in logs that are cut into partitions of `bucketEvents` positions. */
export const positionKey = ({ domain, position }: LogPosition, bucketEvents: bigint): Params => [
  domain,
  bucketOf(position, bucketEvents),
  position
]

export const bucketOf = (position: bigint, bucketEvents: bigint): bigint => (position - 1n) / bucketEvents

export const recordRow = (record: CommitRecord, bucketEvents: bigint): Params => [
  ...positionKey(record, bucketEvents),
  record.id,
  record.format,
  record.text
]

export const recordOf = (row: Row): CommitRecord => ({
  domain: row["domain"],
  position: row["position"],
  id: row["id"],
  format: row["format"],
  text: row["text"]
})

export const domainRow = ({ domain, incarnation, position, time, eventId }: Head): Params => [
  partOf(domain),
  domain,
  incarnation,
  position,
  time,
  eventId,
  timestampAt(position)
]

export const headOf = (row: Row): Head => ({
  domain: row["domain"],
  incarnation: row["incarnation"],
  position: row["position"],
  time: row["time"],
  eventId: row["event_id"]
})

export const entityRow = (state: State, terms: ReadonlyArray<number>, timestamp: bigint): Params => {
  const { domain, type, key, version, deleted, values } = state
  // With its length, so that no more rows are read at once than there is room for.
  const text = jsonText(values)
  return [domain, type, shardOf(key), key, version, deleted, text, text.length, terms.map(BigInt), timestamp]
}

export const stateOf = (row: Row): State => ({
  domain: row["domain"],
  type: row["type"],
  key: row["key"],
  values: jsonParsed(row["values_json"]),
  version: row["version"],
  deleted: row["deleted"]
})

/** With the same text as in the commit record, and its length for the same reason. */
export const eventRow = (event: Event, bucketEvents: bigint): Params => {
  const text = eventText(event)
  const key = positionKey({ domain: event.entity.domain, position: event.position }, bucketEvents)
  return [...key, event.time, text, text.length, eventTerms(event), timestampAt(event.position)]
}

/** What an event is found by: a number for each, which others may share. */
const eventTerms = ({ id, entity }: Event): ReadonlyArray<bigint> => [
  idTerm(entity.domain, id),
  entityTerm(entity),
  versionTerm(entity, entity.version)
]

export const idTerm = (domain: string, id: string): bigint => termOf("id", domain, id)
export const entityTerm = ({ domain, type, key }: Ref): bigint => termOf("entity", domain, type, key)
export const versionTerm = ({ domain, type, key }: Ref, version: bigint): bigint =>
  termOf("version", domain, type, key, `${version}`)

const termOf = (...of: ReadonlyArray<string>): bigint => BigInt(hashed(JSON.stringify(of)))
