// Stores whose pages do not fit together.

import { Effect } from "effect"
import type { Page, Search } from "../../../application/ports/EventStore.ts"
import { answers, type StoreMutant } from "./mutant.ts"
import { asksEntities, asksEvents } from "./searches.ts"

const ofEntities = "pages of entities go through what the definition finds, in its order, to the end"
const ofEvents = "pages of events go through what the definition finds, in its order, between two times, to the end"
const alike = "what is sorted alike comes by key or position, each once, however it falls into pages"
const lastPage = "a page that leaves nothing over is the last one"
const changing = "what does not change while others write comes once, in order, also where a page ended at what is gone"
const behind = "a page goes on behind a place, whether or not anything is there"
const partial = "a page that may hold less than is asked for holds what can be served, and the next one the rest"
const oneEntity = "pages go through the events of one entity among those of others"

const without = <Wanted extends Search>({ after: _, ...search }: Wanted) => search

/** A store that tells something else of where a page of entities ends. */
const endsEntities = (does: string, breaks: string, change: <Item>(page: Page<Item>, search: Search) => Page<Item>) =>
  answers(does, breaks, (healthy) => ({
    entities: (search) => Effect.map(healthy.entities(search), (page) => change(page, search))
  }))

export const pages: ReadonlyArray<StoreMutant> = [
  asksEntities("begins every page of entities at the start", ofEntities, without),
  asksEvents("begins every page of events at the start", ofEvents, without as never),
  asksEvents("repeats the event that a page down the log ended with", ofEvents, (search) =>
    search.after === undefined || !search.order.reverse
      ? search
      : { ...search, after: { ...search.after, tie: BigInt(search.after.tie) + 1n } }
  ),
  asksEvents("leaves out the event behind the end of a page", behind, (search) =>
    search.after === undefined || search.order.reverse
      ? search
      : { ...search, after: { ...search.after, tie: BigInt(search.after.tie) + 1n } }
  ),
  asksEntities("repeats the entity that a page of keys down ended with", ofEntities, (search) =>
    search.after === undefined || !search.order.reverse
      ? search
      : { ...search, after: { ...search.after, tie: `${search.after.tie}!` } }
  ),
  asksEntities("leaves out what is sorted like the last entity of a page", alike, (search) =>
    search.after === undefined || search.order.at === undefined
      ? search
      : { ...search, after: { ...search.after, tie: search.order.reverse ? "" : "\u{10ffff}" } }
  ),
  asksEntities("goes on by key where a sort was asked for", changing, (search) =>
    search.after === undefined || search.order.at === undefined
      ? search
      : { ...search, after: { ...search.after, value: undefined } }
  ),
  answers("finds nothing behind what is gone", changing, (healthy) => ({
    entities: (search) =>
      Effect.gen(function* () {
        const { domain, type, after } = search
        const state = after && (yield* healthy.state({ domain, type, key: String(after.tie) }))
        return state?.deleted === true ? { hits: [], last: undefined } : yield* healthy.entities(search)
      })
  })),
  endsEntities("says that there is more when there is not", lastPage, ({ hits }) => ({ hits, last: hits.at(-1) })),
  endsEntities("takes a full page for the last one", ofEntities, ({ hits }) => ({ hits, last: undefined })),
  endsEntities("has the next page begin one entity too early", alike, ({ hits, last }) => ({
    hits,
    last: last && (hits.at(-2) ?? last)
  })),
  asksEntities("refuses a page that could hold less", partial, (search) => ({ ...search, partial: false })),
  asksEvents("begins the events of one entity anew on each page", oneEntity, (search) =>
    search.query.kind === "equals" || search.query.kind === "and" ? (without(search) as never) : search
  )
]
