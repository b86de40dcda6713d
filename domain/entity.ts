import type { JsonObject } from "./json.ts"

/** Names an entity. Two refs are the same entity if all three are equal. */
export interface Ref {
  readonly domain: string
  readonly type: string
  readonly key: string
}

/** A piece of application state. */
export interface Entity extends Ref {
  readonly values: JsonObject
  /** The number of events of the entity, deletions included; 1 after the first. */
  readonly version: bigint
}

/** What a store holds under a ref: the entity, or the tombstone of a deleted one. */
export interface State extends Entity {
  readonly deleted: boolean
}

/** One text for a ref, for use as a map key. Names hold no control characters, so no two refs share a text. */
export const refText = (ref: Ref): string => `${ref.domain}\u0000${ref.type}\u0000${ref.key}`
