import { type Client, policies, type QueryOptions } from "cassandra-driver"
import type { Params, Row } from "./rows.ts"

/** What is asked of the servers. */
export interface Calls {
  /** Reads all, where it is known that it is not much. */
  readonly rows: (statement: string, params: Params) => Promise<ReadonlyArray<Row>>
  /** Reads page by page, only as many pages as the caller takes. */
  readonly each: (statement: string, params: Params, pageRows?: number) => AsyncGenerator<Row, void>
  /** Writes under a condition, and answers the outcome. Sent once; the caller decides whether to repeat it. */
  readonly once: (statement: string, params: Params) => Promise<Row | undefined>
  /** Writes in one request, but not as one; any of it may be made again. */
  readonly write: (writes: ReadonlyArray<Write>) => Promise<void>
}

export interface Write {
  readonly query: string
  readonly params: Params
}

/** Rows of a page, where rows are small. */
const smallRows = 1_000

export const callsOf = (client: Client): Calls => ({
  rows: async (statement, params) => {
    const { rows } = await client.execute(statement, [...params], { fetchSize: 0 })
    return rows
  },
  each: async function* (statement, params, pageRows = smallRows) {
    let pageState: string | null = null
    do {
      const options: QueryOptions = { fetchSize: pageRows, ...(typeof pageState === "string" ? { pageState } : {}) }
      const page = await client.execute(statement, [...params], options)
      yield* page.rows
      pageState = page.pageState
    } while (typeof pageState === "string")
  },
  once: async (statement, params) => {
    const sentOnce = { isIdempotent: false, retry: new policies.retry.FallthroughRetryPolicy() }
    const { rows } = await client.execute(statement, [...params], sentOnce)
    return rows[0]
  },
  write: async (writes) => {
    const [first, ...more] = writes
    if (more.length === 0) await client.execute(first!.query, [...first!.params])
    else
      await client.batch(
        writes.map(({ query, params }) => ({ query, params: [...params] })),
        { logged: false }
      )
  }
})

/** A row to write. */
export interface RowWrite extends Write {
  /** Rows of one partition have the same. */
  readonly partition: string
  /** Size of what clients wrote in it. */
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
