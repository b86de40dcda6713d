// How laws search: filters and sorts as callers write them, and what the definition of both finds.

import { type EventSearch, EventStore } from "../../../application/ports/EventStore.ts"
import type { Entity } from "../../../domain/entity.ts"
import type { Event } from "../../../domain/event.ts"
import { type Glob, parseGlob } from "../../../domain/glob.ts"
import {
  compareBy,
  evaluate,
  type Order,
  parseQuery,
  parseSort,
  type Query,
  type Subject
} from "../../../domain/query.ts"

export const globOf = (text: string): Glob => {
  const parsed = parseGlob(text)
  if (!parsed.ok) throw new Error(`${parsed.problem} in ${text}`)
  return parsed.glob
}

export const queryOf = (text: string, subject: Subject): Query => {
  const parsed = parseQuery(text, subject)
  if (!parsed.ok) throw new Error(`${parsed.problem} in ${text}`)
  return parsed.query
}

export const orderOf = (field: string, reverse: boolean, subject: Subject): Order => {
  const parsed = parseSort(field, reverse, subject)
  if (!parsed.ok) throw new Error(`${parsed.problem} in ${field}`)
  return parsed.order
}

/** What a law asks for; the rest finds everything, in the default order. */
export interface Wanted {
  readonly filter?: string
  readonly sort?: string
  readonly reverse?: boolean
  readonly limit?: number
  readonly offset?: number
  readonly min?: bigint
  readonly max?: bigint
}

export const searchOf = (domain: string, type: string, subject: Subject, wanted: Wanted = {}): EventSearch => ({
  domain,
  type,
  query: queryOf(wanted.filter ?? "", subject),
  order: orderOf(wanted.sort ?? "", wanted.reverse ?? false, subject),
  limit: wanted.limit ?? 1000,
  offset: wanted.offset ?? 0,
  min: wanted.min ?? 0n,
  max: wanted.max ?? 0n
})

export const entitiesOf = (domain: string, type: string, wanted: Wanted = {}) =>
  EventStore.use((store) => store.entities(searchOf(domain, type, "entity", wanted)))

export const eventsOf = (domain: string, type: string, wanted: Wanted = {}) =>
  EventStore.use((store) => store.events(searchOf(domain, type, "event", wanted)))

/** What the definition finds among all that there is. */
export const meant = <A extends Entity | Event>(subjects: ReadonlyArray<A>, subject: Subject, wanted: Wanted) => {
  const { query, order, limit, offset } = searchOf("", "", subject, wanted)
  return subjects
    .filter((one) => evaluate(query, one))
    .sort(compareBy(order))
    .slice(offset, offset + limit)
}
