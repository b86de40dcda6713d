import { type Entity, refText, type State } from "./entity.ts"
import type { JsonObject } from "./json.ts"

/** The calls that change state, under the names that their events carry. */
export const methods = {
  set: "/stategate.EntityService/Set",
  edit: "/stategate.EntityService/Edit",
  revert: "/stategate.EntityService/Revert",
  del: "/stategate.EntityService/Del"
} as const

export type Mutation = (typeof methods)[keyof typeof methods]

/** Identifies retries of a call; stored with every event of the call. */
export interface Idempotency {
  /** The caller: `iss` and `sub` of the claims. Keys of different callers are independent. */
  readonly caller: string
  /** The key as the caller sent it. */
  readonly key: string
  /** SHA-256 of the method and the request, in hex: the same key with another request is refused. */
  readonly hash: string
}

/** One change of one entity: an entry in the log of its domain, and never changed again. */
export interface Event {
  /** UUID v4. */
  readonly id: string
  /** Position in the domain's log: 1, 2, 3, … without a gap. */
  readonly position: bigint
  /** Nanoseconds since the epoch; rises strictly with the position. */
  readonly time: bigint
  readonly method: Mutation
  /** The state after the change; for a deletion, the state before it under the version that the deletion made. */
  readonly entity: Entity
  /** The verified claims of the caller; empty when authentication is off. */
  readonly claims: JsonObject
  readonly idempotency?: Idempotency
  /** The trace context of the call, in the form of the W3C header `traceparent`. */
  readonly traceparent?: string
  /** Values and claims were erased on request; everything else stands. */
  readonly erased: boolean
}

/** The state of an entity after an event. Every event carries the whole state. */
export const evolve = (event: Event): State => ({
  ...event.entity,
  deleted: event.method === methods.del
})

/** The states that a log makes, by `refText`. What a store holds must always equal this. */
export const fold = (log: Iterable<Event>): Map<string, State> => {
  const states = new Map<string, State>()
  for (const event of log) {
    const text = refText(event.entity)
    states.set(text, evolve(event))
  }
  return states
}
