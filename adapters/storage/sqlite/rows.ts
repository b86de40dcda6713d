import type { Head } from "../../../domain/batch.ts"
import type { Ref, State } from "../../../domain/entity.ts"
import type { Event, Mutation } from "../../../domain/event.ts"
import { jsonParsed } from "../../../domain/json.ts"

/** The most that an integer column holds. */
export const integerMax = 2n ** 63n - 1n

/** Rows as node:sqlite gives them when integers are read as bigints. */

export interface DomainRow {
  readonly id: bigint
  readonly name: string
  readonly incarnation: string
  readonly position: bigint
  readonly time: bigint
  readonly event_id: string
}

export interface EntityRow {
  readonly type: string
  readonly key: string
  readonly version: bigint
  readonly deleted: bigint
  readonly values: string
}

export interface EventRow {
  readonly position: bigint
  readonly id: string
  readonly time: bigint
  readonly method: string
  readonly type: string
  readonly key: string
  readonly version: bigint
  readonly values: string
  readonly claims: string
  readonly caller: string | null
  readonly request_id: string | null
  readonly request_hash: string | null
  readonly traceparent: string | null
  readonly erased: bigint
}

export const headOf = (row: DomainRow): Head => ({
  domain: row.name,
  incarnation: row.incarnation,
  first: 1n,
  position: row.position,
  time: row.time,
  eventId: row.event_id
})

export const stateOf = (domain: string, row: EntityRow): State => ({
  domain,
  type: row.type,
  key: row.key,
  values: jsonParsed(row.values),
  version: row.version,
  deleted: row.deleted === 1n
})

export const eventOf = (domain: string, row: EventRow): Event => {
  const { type, key, version } = row
  const ref: Ref = { domain, type, key }
  return {
    id: row.id,
    position: row.position,
    time: row.time,
    method: row.method as Mutation,
    entity: { ...ref, values: jsonParsed(row.values), version },
    claims: jsonParsed(row.claims),
    ...(row.request_id === null
      ? {}
      : { idempotency: { caller: row.caller!, key: row.request_id, hash: row.request_hash! } }),
    ...(row.traceparent === null ? {} : { traceparent: row.traceparent }),
    erased: row.erased === 1n
  }
}
