import type { CommitRecord, LogPosition } from "../../../application/storage/commit-records/primitives.ts"
import { termsOf } from "../../../application/storage/index-terms.ts"
import type { Head } from "../../../domain/batch.ts"
import type { Ref, State } from "../../../domain/entity.ts"
import type { Event, Idempotency, Mutation } from "../../../domain/event.ts"
import { jsonParsed, jsonText } from "../../../domain/json.ts"

// Every row holds its domain, which is in every filter: where there are shards it is the shard key. Integers of 64 bits
// are bigints. What clients wrote is text; no field and no operator is ever made of it.

/** The record of a commit, for ever. */
export interface RecordRow {
  /** Its position, which makes it the only one there. */
  readonly _id: string
  readonly domain: string
  readonly position: bigint
  readonly claim: string
  readonly format: number
  readonly text: string
}

/** The applied head of a domain. */
export interface DomainRow {
  /** The domain. */
  readonly _id: string
  readonly domain: string
  readonly incarnation: string
  readonly position: bigint
  readonly time: bigint
  readonly eventId: string
  /** When it was moved, by the clock of the server. */
  readonly moved: Date
}

/** An entity, or what is left of it. */
export interface EntityRow {
  /** The ref. */
  readonly _id: string
  readonly domain: string
  readonly type: string
  readonly key: string
  readonly version: bigint
  readonly deleted: boolean
  readonly values: string
  readonly terms: ReadonlyArray<number>
}

export interface EventRow {
  /** The position, so that the log lies in its order. */
  readonly _id: string
  readonly domain: string
  readonly position: bigint
  readonly id: string
  readonly time: bigint
  readonly method: string
  readonly type: string
  readonly key: string
  readonly version: bigint
  readonly values: string
  readonly claims: string
  readonly erased: boolean
  /** Domain, caller and idempotency key. */
  readonly call?: string
  readonly callHash?: string
  readonly traceparent?: string
}

/** Names hold no control characters, so that no two lists of names are one text. */
const joined = (...parts: ReadonlyArray<string>): string => parts.join("\u001f")

export const refId = ({ domain, type, key }: Ref): string => joined(domain, type, key)

/** Padded with zeros, so that the order of strings is that of positions. */
export const positionId = ({ domain, position }: LogPosition): string =>
  joined(domain, String(position).padStart(19, "0"))

export const callText = (domain: string, { caller, key }: Pick<Idempotency, "caller" | "key">): string =>
  JSON.stringify([domain, caller, key])

export const recordRow = ({ id, ...rest }: CommitRecord): RecordRow => ({ _id: positionId(rest), ...rest, claim: id })

export const recordOf = ({ _id, claim, ...rest }: RecordRow): CommitRecord => ({ ...rest, id: claim })

export const headOf = ({ domain, incarnation, position, time, eventId }: DomainRow): Head => ({
  domain,
  incarnation,
  position,
  time,
  eventId
})

export const entityRow = ({ domain, type, key, version, deleted, values }: State): EntityRow => ({
  _id: refId({ domain, type, key }),
  domain,
  type,
  key,
  version,
  deleted,
  values: jsonText(values),
  terms: deleted ? [] : termsOf(values)
})

export const stateOf = ({ domain, type, key, version, deleted, values }: EntityRow): State => ({
  domain,
  type,
  key,
  values: jsonParsed(values),
  version,
  deleted
})

export const eventRow = (event: Event): EventRow => {
  const { domain, type, key, version, values } = event.entity
  const { idempotency, traceparent } = event
  return {
    _id: positionId({ domain, position: event.position }),
    domain,
    position: event.position,
    id: event.id,
    time: event.time,
    method: event.method,
    type,
    key,
    version,
    values: jsonText(values),
    claims: jsonText(event.claims),
    erased: event.erased,
    ...(idempotency === undefined ? {} : { call: callText(domain, idempotency), callHash: idempotency.hash }),
    ...(traceparent === undefined ? {} : { traceparent })
  }
}

export const eventOf = (row: EventRow): Event => {
  const { domain, type, key, version } = row
  return {
    id: row.id,
    position: row.position,
    time: row.time,
    method: row.method as Mutation,
    entity: { domain, type, key, values: jsonParsed(row.values), version },
    claims: jsonParsed(row.claims),
    ...(row.call === undefined ? {} : { idempotency: idempotencyOf(row.call, row.callHash!) }),
    ...(row.traceparent === undefined ? {} : { traceparent: row.traceparent }),
    erased: row.erased
  }
}

const idempotencyOf = (call: string, hash: string): Idempotency => {
  const [, caller, key] = JSON.parse(call) as [string, string, string]
  return { caller, key, hash }
}
