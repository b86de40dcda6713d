import type { Write } from "./calls.ts"

/** A row that is to be written. */
export interface RowWrite extends Write {
  /** Rows of one partition have the same. */
  readonly partition: string
  /** How much of it depends on who wrote it. */
  readonly bytes: number
}

/** Bytes of a row beside its values, generously. */
const rowBytes = 128
/** Bytes of one request; servers take 16 MiB, unless they are set to less. */
const requestBytesMax = 1024 * 1024
/** What one request may write to several partitions: above either, servers complain in their logs. */
const mixedBytesMax = 4 * 1024
const mixedPartitionsMax = 10

/**
 * Rows as requests that hold as much as servers like: those of one partition, which they write at once, go together, and
 * small ones share a request with others.
 */
export const batched = (writes: ReadonlyArray<RowWrite>): ReadonlyArray<ReadonlyArray<RowWrite>> => {
  const requests: Array<Array<RowWrite>> = []
  let mixed: Array<RowWrite> = []
  let [partitions, mixedBytes] = [0, 0]
  for (const rows of Map.groupBy(writes, ({ partition }) => partition).values()) {
    const bytes = rows.reduce((sum, row) => sum + row.bytes + rowBytes, 0)
    if (bytes > mixedBytesMax) {
      requests.push(...cut(rows))
      continue
    }
    if (partitions === mixedPartitionsMax || mixedBytes + bytes > mixedBytesMax) {
      requests.push(mixed)
      mixed = []
      partitions = mixedBytes = 0
    }
    mixed.push(...rows)
    partitions += 1
    mixedBytes += bytes
  }
  return mixed.length === 0 ? requests : [...requests, mixed]
}

const cut = (rows: ReadonlyArray<RowWrite>): ReadonlyArray<Array<RowWrite>> => {
  const requests: Array<Array<RowWrite>> = []
  let bytes = Number.POSITIVE_INFINITY
  for (const row of rows) {
    bytes += row.bytes + rowBytes
    if (bytes > requestBytesMax) {
      requests.push([])
      bytes = row.bytes + rowBytes
    }
    requests.at(-1)!.push(row)
  }
  return requests
}
