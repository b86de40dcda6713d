import type { Event } from "../../../domain/event.ts"
import type { Open } from "./connection.ts"
import { bytesOf, type Params, shardOf, timestampAt } from "./rows.ts"

/**
 * A list of positions, by which events are found that nobody knows the position of: a partition for each part of it, so
 * that none grows without end.
 */
export interface List {
  /** What it is ordered by, and cut into parts: positions, or versions of one entity; or it has a single part. */
  readonly by: "position" | "version" | "nothing"
  readonly name: ReadonlyArray<string>
}

/** The one event with an id. */
export const idList = (id: string): List => ({ by: "nothing", name: ["id", id] })

/** The events that a caller made under a key. */
export const callList = (caller: string, key: string): List => ({ by: "nothing", name: ["call", caller, key] })

export const entityList = (type: string, key: string): List => ({ by: "version", name: ["entity", type, key] })

export const typeList = (type: string): List => ({ by: "position", name: ["type", type] })

/** The partition of a list that has a number. */
export const partition = ({ by, name }: List, at: bigint, bucketEvents: bigint): string =>
  JSON.stringify(by === "nothing" ? name : [...name, `${partOf(at, bucketEvents)}`])

/** Rows of lists are small, where those of a log hold values. Numbers begin with 1. */
const partSize = (bucketEvents: bigint): bigint => bucketEvents * 100n
const partOf = (at: bigint, bucketEvents: bigint): bigint => (at - 1n) / partSize(bucketEvents)

/** Where an event is listed. */
export const listRows = (event: Event, bucketEvents: bigint): ReadonlyArray<Params> => {
  const { position, idempotency } = event
  const { domain, type, key, version } = event.entity
  const row = (list: List, at: bigint): Params => [
    domain,
    partition(list, at, bucketEvents),
    at,
    position,
    bytesOf(event),
    timestampAt(position)
  ]
  return [
    row(idList(event.id), position),
    row(entityList(type, key), version),
    row(typeList(type), position),
    ...(idempotency === undefined ? [] : [row(callList(idempotency.caller, idempotency.key), position)])
  ]
}

export interface Listed {
  readonly position: bigint
  /** How large the event is. */
  readonly bytes: number
}

/** What is on a list between two positions, both included; down from the last where that is wanted. */
export async function* listed(
  { cql, bucketEvents, rows, each }: Open,
  domain: string,
  list: List,
  [from, to]: readonly [from: bigint, to: bigint],
  down: boolean
): AsyncGenerator<Listed, void> {
  let bounds = [from, to] as const
  if (list.by === "version") {
    const [, type, key] = list.name as [string, string, string]
    const [entity] = await rows(cql.version, [domain, type, shardOf(key), key])
    bounds = [1n, entity?.["version"] ?? 0n]
  }
  const [first, last] =
    list.by === "nothing" ? [0n, 0n] : [partOf(bounds[0], bucketEvents), partOf(bounds[1], bucketEvents)]
  for (let i = 0n; i <= last - first; i++) {
    const part = down ? last - i : first + i
    const name = partition(list, part * partSize(bucketEvents) + 1n, bucketEvents)
    for await (const row of each(down ? cql.listedDown : cql.listed, [domain, name, ...bounds])) {
      const position = row["position"] as bigint
      if (from <= position && position <= to) yield { position, bytes: row["bytes"] }
    }
  }
}
