import type { Head } from "../../../domain/batch.ts"
import type { State } from "../../../domain/entity.ts"
import type { Event, Mutation } from "../../../domain/event.ts"
import { jsonParsed } from "../../../domain/json.ts"

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

/** The columns of an event, in the order in which its row has them. */
export const eventColumns =
  'position, id, time, method, type, key, version, "values", claims, caller, request_id, request_hash, traceparent, erased'

/** Events are read by the hundred thousand, so their rows come as arrays: half of the time that objects take. */
export type EventRow = readonly [
  position: bigint,
  id: string,
  time: bigint,
  method: string,
  type: string,
  key: string,
  version: bigint,
  values: string,
  claims: string,
  caller: string | null,
  requestId: string | null,
  requestHash: string | null,
  traceparent: string | null,
  erased: bigint
]

export const headOf = (row: DomainRow): Head => ({
  domain: row.name,
  incarnation: row.incarnation,
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
  const [position, id, time, method, type, key, version, values, claims, ...rest] = row
  const [caller, requestId, requestHash, traceparent, erased] = rest
  return {
    id,
    position,
    time,
    method: method as Mutation,
    entity: { domain, type, key, values: jsonParsed(values), version },
    claims: jsonParsed(claims),
    ...(requestId === null ? {} : { idempotency: { caller: caller!, key: requestId, hash: requestHash! } }),
    ...(traceparent === null ? {} : { traceparent }),
    erased: erased === 1n
  }
}

/** Characters of what callers wrote. */
export const eventChars = ([, , , , , , , values, claims]: EventRow): number => values.length + claims.length
