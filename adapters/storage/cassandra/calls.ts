import { type Client, errors, policies, type QueryOptions } from "cassandra-driver"
import { Effect } from "effect"
import { away, type Unavailable } from "../../../application/failure.ts"
import type { Params, Row } from "./rows.ts"

/** What is asked of the servers. */
export interface Calls {
  /** Reads all, where it is known that it is not much. */
  readonly rows: (statement: string, params: Params) => Promise<ReadonlyArray<Row>>
  /** Reads as far as it is wanted, page by page. */
  readonly each: (statement: string, params: Params, pageRows?: number) => AsyncGenerator<Row, void>
  /** Writes under a condition, and answers what became of it. Sent once: it is the caller's to say it again. */
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

/**
 * What servers say of a request for what is in it: it breaks their protocol (0x000A), is no CQL (0x2000), or holds what
 * they do not take, such as a value that is too large (0x2200). Whatever else they say is about themselves, one another,
 * or rights and prepared statements, which may change.
 */
const mistakes: ReadonlyArray<number> = [0x000a, 0x2000, 0x2200, 0x2300, 0x2400]

/** A table or a keyspace that is gone counts as no mistake, for only somebody else can have dropped it. */
const isGone = ({ message }: Error): boolean => /unconfigured table|keyspace .* does not exist/i.test(message)

const isMistake = (cause: Error): boolean =>
  cause instanceof errors.ResponseError
    ? mistakes.includes(cause.code) && !isGone(cause)
    : cause instanceof errors.ArgumentError ||
      cause instanceof errors.NotSupportedError ||
      cause instanceof errors.VIntOutOfRangeException

/** Whether it is trouble with the servers, or the way to them, and no mistake of ours. */
export const isTrouble = (cause: unknown): boolean =>
  (cause instanceof errors.DriverError && !isMistake(cause)) || (cause instanceof Error && "isSocketError" in cause)

/** What the driver answers, or that the store is not available. */
export const attempt = <A>(use: () => Promise<A>): Effect.Effect<A, Unavailable> =>
  Effect.catch(
    Effect.tryPromise({ try: use, catch: (cause) => cause }),
    (cause): Effect.Effect<never, Unavailable> => (isTrouble(cause) ? Effect.fail(away(cause)) : Effect.die(cause))
  )

/** Whether it is what a server says, who is there then, be it that others are not. */
export const isSaid = (cause: unknown): boolean =>
  cause instanceof errors.ResponseError ||
  (cause instanceof errors.NoHostAvailableError && Object.values(cause.innerErrors ?? {}).some(isSaid))
