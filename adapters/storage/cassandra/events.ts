import { eventFrom } from "../../../application/storage/commit-records/record.ts"
import type { Event } from "../../../domain/event.ts"
import type { Open } from "./connection.ts"
import { bucketOf, type Params, timestampAt } from "./rows.ts"

/** Positions of events, in their order; a partition for so many, so that none grows without end. */
export type List = (part: bigint) => string

/** The events of a type. */
export const typeList =
  (type: string): List =>
  (part) =>
    JSON.stringify(["type", type, `${part}`])

/** The events that a caller made under a key: all in one partition, for one commit makes them. */
export const callList =
  (caller: string, key: string): List =>
  () =>
    JSON.stringify(["call", caller, key])

/** Rows of lists are small, where those of a log hold values. */
const partEvents = (bucketEvents: bigint): bigint => bucketEvents * 100n
const partOf = (position: bigint, bucketEvents: bigint): bigint => (position - 1n) / partEvents(bucketEvents)

/** Where an event is listed, and how large it is. */
export const listRows = (event: Event, bytes: number, bucketEvents: bigint): ReadonlyArray<Params> => {
  const { position, entity, idempotency } = event
  const lists = [
    typeList(entity.type),
    ...(idempotency === undefined ? [] : [callList(idempotency.caller, idempotency.key)])
  ]
  const part = partOf(position, bucketEvents)
  return lists.map((list) => [entity.domain, list(part), position, bytes, timestampAt(position)])
}

export interface Listed {
  readonly position: bigint
  readonly bytes: number
}

/** What is on a list of many parts between two positions, both included; down from the last where that is wanted. */
export async function* listed(
  { cql, bucketEvents, each }: Open,
  domain: string,
  list: List,
  [from, to]: readonly [from: bigint, to: bigint],
  down: boolean
): AsyncGenerator<Listed, void> {
  const [first, last] = [partOf(from, bucketEvents), partOf(to, bucketEvents)]
  for (let i = 0n; i <= last - first; i++) {
    const name = list(down ? last - i : first + i)
    for await (const row of each(down ? cql.listedDown : cql.listed, [domain, name, from, to]))
      yield { position: row["position"], bytes: row["bytes"] }
  }
}

/** The events of a domain at these positions, in this order, without those that are missing. */
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
 * The events of a domain after a position up to another, in order: at most `limit`, and at most `bytesMax` bytes unless
 * that is one event.
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
