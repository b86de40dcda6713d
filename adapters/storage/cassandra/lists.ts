import type { Event } from "../../../domain/event.ts"
import type { Open } from "./connection.ts"
import { type Params, timestampAt } from "./rows.ts"

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
