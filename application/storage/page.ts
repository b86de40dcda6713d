import type { Entity } from "../../domain/entity.ts"
import type { Event } from "../../domain/event.ts"
import { type Order, sortKey } from "../../domain/query.ts"
import type { TooLarge } from "../../domain/rejection.ts"
import { pageBytesMax, scanRowsMax } from "../limits.ts"
import type { Hit, Page, Search } from "../ports/EventStore.ts"

/**
 * Rows as one page, or why they are no page: counted while they are read, so that no store loads more than it serves. A
 * page that may be partial ends before the row that does not fit.
 */
export const pageOf = <A>(
  rows: Iterable<A>,
  bytesOf: (row: A) => number,
  partial = false
): ReadonlyArray<A> | TooLarge => {
  const page: Array<A> = []
  let bytes = 0
  for (const row of rows) {
    bytes += bytesOf(row)
    if (bytes > pageBytesMax) return partial && page.length > 0 ? page : pageTooLarge
    page.push(row)
  }
  return page
}

const goOn = "set partial and go on with next_page_token"

export const pageTooLarge: TooLarge = {
  _tag: "TooLarge",
  message: `the page holds more than ${pageBytesMax} bytes; lower the limit, or ${goOn}`
}

/** What a store answers when a search would have to look at more rows than `scanRowsMax`. */
export const scannedTooMuch = ({ order }: Pick<Search, "order">): TooLarge => ({
  _tag: "TooLarge",
  message: `the search would look at more than ${scanRowsMax} rows; narrow the type, the filter or the times${
    order.at === undefined ? `, or ${goOn}` : ", or do without the sort"
  }`
})

export const hitOf = <Item extends Entity | Event>(order: Order, item: Item): Hit<Item> => ({
  item,
  key: sortKey(order, item)
})

export const emptyPage: Page<never> = { hits: [], last: undefined }
