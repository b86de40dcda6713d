import { pageItemsMax, scanRowsMax } from "../../../application/limits.ts"
import { eventFrom } from "../../../application/storage/commit-records/record.ts"
import type { Event } from "../../../domain/event.ts"
import type { Open } from "./connection.ts"
import type { Listed } from "./lists.ts"
import { bucketOf } from "./rows.ts"

/** There is more than may be looked at, and any part of it would be a wrong answer. */
export class TooMany extends Error {}

/**
 * Rows that are held of an index that has more, where a page may be made of those that come first: as many as may be
 * looked at, and the two reads in which that ends.
 */
const heldRowsMax = scanRowsMax + 2 * pageItemsMax

/** The rows that come first in an order, of more than may be held; fails behind them, where nobody may take it for the end. */
export async function* firstOf<Row>(
  rows: AsyncIterable<Row>,
  compare: (a: Row, b: Row) => number,
  someWillDo: boolean
): AsyncGenerator<Row, void> {
  const held: Array<Row> = []
  for await (const row of rows) {
    if (held.push(row) > scanRowsMax && !someWillDo) throw new TooMany()
    if (held.length === 2 * heldRowsMax) held.sort(compare).splice(heldRowsMax)
  }
  yield* held.sort(compare).slice(0, heldRowsMax)
  if (held.length >= heldRowsMax) throw new TooMany()
}

/** The events of a domain at these positions, in the order of these, as far as they are there. */
export const eventsAt = async (
  { cql, bucketEvents, rows }: Open,
  domain: string,
  positions: ReadonlyArray<bigint>
): Promise<ReadonlyArray<Event>> => {
  const buckets = Map.groupBy(positions, (position) => bucketOf(position, bucketEvents))
  const found = await Promise.all([...buckets].map(([bucket, some]) => rows(cql.events, [domain, bucket, some])))
  const texts = new Map(found.flat().map((row) => [row["position"] as bigint, row["text"] as string]))
  return positions.flatMap((position) => {
    const text = texts.get(position)
    return text === undefined ? [] : eventFrom(domain, text)
  })
}

/** Where the events of a domain are that have a term, and perhaps some that have not, as an index finds them: in no order. */
export async function* positionsWith({ cql, each }: Open, domain: string, term: bigint): AsyncGenerator<Listed, void> {
  for await (const row of each(cql.positionsWith, [term])) {
    if (row["domain"] === domain) yield { position: row["position"], bytes: row["bytes"] }
  }
}

/**
 * The events of a domain from behind a position up to another, in order: no more than `limit`, and no more than make up
 * so many bytes, but one in any case.
 */
export const eventsAfter = async (
  { cql, bucketEvents, rows }: Open,
  domain: string,
  after: bigint,
  upTo: bigint,
  { limit, bytesMax }: { readonly limit: number; readonly bytesMax: number }
): Promise<ReadonlyArray<Event>> => {
  const events: Array<Event> = []
  let bytes = 0
  for (let at = after; at < upTo && events.length < limit; ) {
    // How large they are first: what is too much is not even read.
    const bucket = bucketOf(at + 1n, bucketEvents)
    const sizes = await rows(cql.sizes, [domain, bucket, at, upTo, limit - events.length])
    let end = at
    for (const size of sizes) {
      bytes += size["bytes"]
      const isFirst = end === after
      if (size["position"] !== end + 1n || (bytes > bytesMax && !isFirst)) break
      end += 1n
    }
    if (end === at) break
    const read = await rows(cql.eventsUpTo, [domain, bucket, at, end])
    events.push(...read.map((row) => eventFrom(domain, row["text"])))
    if (end !== (bucket + 1n) * bucketEvents) break
    at = end
  }
  return events
}
