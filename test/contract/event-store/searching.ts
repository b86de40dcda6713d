// How laws search: filters and sorts as callers write them, and what the definition of both finds.

import { Effect } from "effect"
import { assert } from "vitest"
import { type EventSearch, EventStore, type Page } from "../../../application/ports/EventStore.ts"
import { encodePageToken, parsePageToken } from "../../../application/storage/page-token.ts"
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
  type SortKey,
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
  readonly after?: SortKey
  readonly partial?: boolean
}

export const searchOf = (domain: string, type: string, subject: Subject, wanted: Wanted = {}): EventSearch => ({
  domain,
  type,
  query: queryOf(wanted.filter ?? "", subject),
  order: orderOf(wanted.sort ?? "", wanted.reverse ?? false, subject),
  limit: wanted.limit ?? 1000,
  offset: wanted.offset ?? 0,
  min: wanted.min ?? 0n,
  max: wanted.max ?? 0n,
  ...(wanted.after === undefined ? {} : { after: wanted.after }),
  partial: wanted.partial ?? false
})

export const entityPage = (domain: string, type: string, wanted: Wanted = {}) =>
  EventStore.use((store) => store.entities(searchOf(domain, type, "entity", wanted)))

export const eventPage = (domain: string, type: string, wanted: Wanted = {}) =>
  EventStore.use((store) => store.events(searchOf(domain, type, "event", wanted)))

export const itemsOf = <Item>({ hits }: Page<Item>): ReadonlyArray<Item> => hits.map(({ item }) => item)

export const entitiesOf = (domain: string, type: string, wanted: Wanted = {}) =>
  Effect.map(entityPage(domain, type, wanted), itemsOf)

export const eventsOf = (domain: string, type: string, wanted: Wanted = {}) =>
  Effect.map(eventPage(domain, type, wanted), itemsOf)

/** Pages of which no walk needs as many: one that never comes to an end is a failure. */
const walkPagesMax = 1_000

/**
 * All items of a search, page by page, each behind what the token of the one before says. `between` is done between two
 * pages.
 */
export const walk = Effect.fnUntraced(function* <Item, E, R>(
  order: Order,
  pageOf: (more: Pick<Wanted, "limit" | "after">) => Effect.Effect<Page<Item>, E, R>,
  limits: ReadonlyArray<number>,
  between: Effect.Effect<unknown, E, R> = Effect.void
) {
  const pages: Array<Page<Item>> = []
  for (let after: SortKey | undefined; pages.length < walkPagesMax; ) {
    const limit = limits[pages.length % limits.length]!
    const page = yield* pageOf({ limit, ...(after === undefined ? {} : { after }) })
    assert.isAtMost(page.hits.length, limit, "items of a page")
    pages.push(page)
    if (page.last === undefined) return pages
    after = throughToken(page.last.key, order)
    yield* between
  }
  return assert.fail(`no end after ${walkPagesMax} pages`)
})

/** The place that the next page begins behind, as a client hands it back. */
const throughToken = (key: SortKey, order: Order): SortKey => {
  const parsed = parsePageToken(encodePageToken(7n, key), 7n, order)
  if (!parsed.ok) throw new Error(`the token ${parsed.problem}`)
  // In laws no text is too long for a token.
  return parsed.place as SortKey
}

/** What the definition finds among all that there is. */
export const meant = <A extends Entity | Event>(subjects: ReadonlyArray<A>, subject: Subject, wanted: Wanted) => {
  const { query, order, limit, offset } = searchOf("", "", subject, wanted)
  return subjects
    .filter((one) => evaluate(query, one))
    .sort(compareBy(order))
    .slice(offset, offset + limit)
}
