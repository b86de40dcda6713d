import type { Head } from "../../../domain/batch.ts"
import type { State } from "../../../domain/entity.ts"
import type { Event, Mutation } from "../../../domain/event.ts"
import { jsonParsed } from "../../../domain/json.ts"

/** Rows as the driver gives them, with each bigint column as a bigint. */

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
  readonly deleted: boolean
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
  readonly erased: boolean
}

export const headOf = (row: DomainRow): Head => ({
  domain: row.name,
  incarnation: row.incarnation,
  position: row.position,
  time: row.time,
  eventId: row.event_id
})

export const stateOf = (domain: string, { type, key, values, version, deleted }: EntityRow): State => ({
  domain,
  type,
  key,
  values: jsonParsed(values),
  version,
  deleted
})

export const eventOf = (domain: string, row: EventRow): Event => {
  const { type, key, version } = row
  return {
    id: row.id,
    position: row.position,
    time: row.time,
    method: row.method as Mutation,
    entity: { domain, type, key, values: jsonParsed(row.values), version },
    claims: jsonParsed(row.claims),
    ...(row.request_id === null
      ? {}
      : { idempotency: { caller: row.caller!, key: row.request_id, hash: row.request_hash! } }),
    ...(row.traceparent === null ? {} : { traceparent: row.traceparent }),
    erased: row.erased
  }
}
