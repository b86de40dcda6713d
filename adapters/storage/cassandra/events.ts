import { eventFrom } from "../../../application/claims/record.ts"
import { scanRowsMax } from "../../../application/limits.ts"
import type { Event } from "../../../domain/event.ts"
import type { Open } from "./connection.ts"
import type { Listed } from "./lists.ts"
import { bucketOf } from "./rows.ts"

/** There is more than may be looked at, and any part of it would be a wrong answer. */
export class TooMany extends Error {}

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

/**
 * Where the events of a domain are that have a term, and perhaps some that have not, in their order: an index finds them
 * in none. Throws `TooMany` where that is more than a search may look at.
 */
export const positionsWith = async ({ cql, each }: Open, domain: string, term: bigint): Promise<Array<Listed>> => {
  const found: Array<Listed> = []
  for await (const row of each(cql.positionsWith, [term])) {
    if (row["domain"] !== domain) continue
    if (found.push({ position: row["position"], bytes: row["bytes"] }) > scanRowsMax) throw new TooMany()
  }
  return found.sort((a, b) => (a.position < b.position ? -1 : 1))
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
