// Stores whose searches find something else than the definition does.

import { Effect } from "effect"
import { MemoryStore, port } from "../../../adapters/storage/memory/store.ts"
import type { EventSearch, EventStore, Page, Search } from "../../../application/ports/EventStore.ts"
import { hitOf } from "../../../application/storage/page.ts"
import type { Entity } from "../../../domain/entity.ts"
import { type Event, methods } from "../../../domain/event.ts"
import { compareBy, evaluate, type Order } from "../../../domain/query.ts"
import { itemsOf, orderOf, queryOf } from "../event-store/searching.ts"
import { answers, type StoreMutant } from "./mutant.ts"

const ofEntities = "searches of entities find what the definition finds, in its order, page by page"
const ofEvents = "searches of events find what the definition finds, in its order, page by page, between two times"
const exists = "only entities that exist are found, of the domain and type that were asked for"
const sorted = "without a sort, entities come by key in the order of code points, and events by position"
const fields = "events are found by every field that they have"
const large = "a page that nobody could be sent is refused, and a smaller one is not"

/** Items as a page that is the last one. */
const pageOf = <Item extends Entity | Event>(order: Order, items: ReadonlyArray<Item>): Page<Item> => ({
  hits: items.map((item) => hitOf(order, item)),
  last: undefined
})

/** A store that searches its entities for something else. */
export const asksEntities = (does: string, breaks: string, change: (search: Search) => Search) =>
  answers(does, breaks, (healthy) => ({ entities: (search) => healthy.entities(change(search)) }))

/** A store that searches its events for something else. */
export const asksEvents = (does: string, breaks: string, change: (search: EventSearch) => EventSearch) =>
  answers(does, breaks, (healthy) => ({ events: (search) => healthy.events(change(search)) }))

const asked: ReadonlyArray<StoreMutant> = [
  asksEntities("ignores the filter of entities", ofEntities, (search) => ({ ...search, query: queryOf("", "entity") })),
  asksEntities("ignores the sort of entities", ofEntities, ({ order, ...search }) => ({
    ...search,
    order: { ...order, at: undefined }
  })),
  asksEntities("ignores the direction of entities", ofEntities, ({ order, ...search }) => ({
    ...search,
    order: { ...order, reverse: false }
  })),
  asksEntities("ignores the offset of entities", ofEntities, (search) => ({ ...search, offset: 0 })),
  asksEntities("ignores the limit of entities", ofEntities, (search) => ({ ...search, limit: 1000 })),
  asksEntities("is one off in the limit of entities", ofEntities, (search) => ({ ...search, limit: search.limit + 1 })),
  asksEvents("ignores the filter of events", ofEvents, (search) => ({ ...search, query: queryOf("", "event") })),
  asksEvents("ignores the sort of events", ofEvents, ({ order, ...search }) => ({
    ...search,
    order: orderOf("", order.reverse, "event")
  })),
  asksEvents("ignores the offset of events", ofEvents, (search) => ({ ...search, offset: 0 })),
  asksEvents("ignores the limit of events", ofEvents, (search) => ({ ...search, limit: 1000 })),
  asksEvents("ignores the first time", ofEvents, (search) => ({ ...search, min: 0n })),
  asksEvents("ignores the last time", ofEvents, (search) => ({ ...search, max: 0n })),
  asksEvents("includes the first time", ofEvents, (search) => ({ ...search, min: search.min && search.min - 1n })),
  asksEvents("includes the last time", ofEvents, (search) => ({ ...search, max: search.max && search.max + 1n })),
  asksEvents("rounds times as doubles do", "times and versions are exact up to 2^63 - 1", (search) => ({
    ...search,
    min: BigInt(Number(search.min)),
    max: BigInt(Number(search.max))
  }))
]

/** A store whose searches look through something else. */
const looksThrough = (
  does: string,
  breaks: string,
  entities: (store: MemoryStore, domain: string, type: string) => ReadonlyArray<Entity>
): StoreMutant =>
  answers(does, breaks, (_healthy, store) => ({
    entities: ({ domain, type, query, order, limit, offset }) =>
      Effect.sync(() => {
        const found = entities(store, domain, type).filter((entity) => evaluate(query, entity))
        return pageOf(order, found.sort(compareBy(order)).slice(offset, offset + limit))
      })
  }))

const domainsOf = (store: MemoryStore) => store.heads().map(({ domain }) => domain)

const found: ReadonlyArray<StoreMutant> = [
  looksThrough("finds what was deleted", exists, (store, domain, type) => {
    const refs = new Map(store.log(domain).map(({ entity }) => [entity.key, entity]))
    return [...refs.values()].filter((entity) => entity.type === type).map((entity) => store.state(entity)!)
  }),
  looksThrough("finds entities of all domains", exists, (store, _domain, type) =>
    domainsOf(store).flatMap((domain) => store.entities(domain, type))
  ),
  looksThrough("finds entities of all types", exists, (store, domain) =>
    [...new Set(store.log(domain).map(({ entity }) => entity.type))].flatMap((type) => store.entities(domain, type))
  ),
  looksThrough("serves any page, however large", large, (store, domain, type) => store.entities(domain, type)),
  asksEntities("serves less than was asked for, as if that were all", large, (search) => ({
    ...search,
    partial: true
  })),
  asksEntities("refuses a search for all that it does not serve", large, (search) => ({
    ...search,
    limit: search.offset + search.limit + 1000,
    offset: 0
  })),
  answers("leaves deletions out of events", exists, (healthy) => ({
    events: (search) =>
      Effect.map(healthy.events(search), ({ hits, last }) => ({
        hits: hits.filter(({ item }) => item.method !== methods.del),
        last
      }))
  })),
  answers("finds events of all types", exists, (healthy, store) => ({
    events: (search) => {
      const types = [...new Set(store.log(search.domain).map(({ entity }) => entity.type))]
      return Effect.map(
        Effect.forEach(types, (type) => healthy.events({ ...search, type })),
        (all) => pageOf(search.order, all.flatMap(itemsOf).sort(compareBy(search.order)))
      )
    }
  })),
  answers("sorts keys by UTF-16", sorted, (healthy) => ({
    entities: (search) =>
      Effect.map(healthy.entities({ ...search, limit: 1000, offset: 0 }), (page) => {
        const sign = search.order.reverse ? -1 : 1
        const ordered = [...itemsOf(page)].sort((a, b) => sign * (a.key < b.key ? -1 : 1))
        return pageOf(search.order, ordered.slice(search.offset, search.offset + search.limit))
      })
  })),
  answers("sorts keys as people do", sorted, (healthy) => ({
    entities: (search) =>
      Effect.map(healthy.entities(search), (page) =>
        pageOf(
          search.order,
          [...itemsOf(page)].sort((a, b) => a.key.localeCompare(b.key))
        )
      )
  })),
  asksEvents("answers the newest events first", sorted, ({ order, ...search }) => ({
    ...search,
    order: { ...order, reverse: !order.reverse }
  }))
]

/** A store that searches events which lack something. */
const blindTo = (does: string, change: (event: Event) => Event): StoreMutant => ({
  does,
  breaks: fields,
  make: () => {
    class Blind extends MemoryStore {
      override log(domain: string) {
        return super.log(domain).map(change)
      }
    }
    const store = new Blind()
    const healthy: EventStore["Service"] = port(store)
    return healthy
  }
})

const blind: ReadonlyArray<StoreMutant> = [
  blindTo("cannot search for idempotency keys", ({ idempotency: _, ...event }) => event),
  blindTo("cannot search for what was erased", (event) => ({ ...event, erased: false })),
  blindTo("cannot search for claims", (event) => ({ ...event, claims: {} })),
  blindTo("cannot search for versions", (event) => ({ ...event, entity: { ...event.entity, version: 1n } })),
  blindTo("cannot search for exact times", (event) => ({ ...event, time: BigInt(Number(event.time)) }))
]

export const searches = [...asked, ...found, ...blind]
