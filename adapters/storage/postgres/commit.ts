import { Effect, Result } from "effect"
import { type Defect, OutcomeUnknown, Unavailable } from "../../../application/failure.ts"
import { commitTriesMax, headLockMsMax } from "../../../application/limits.ts"
import { monotonicNow } from "../../../application/monotonic.ts"
import type { Batch, BatchResult, EventStore } from "../../../application/ports/EventStore.ts"
import { newIncarnation } from "../../../application/storage/heads.ts"
import { outcomeRetry } from "../../../application/storage/outcome-retry.ts"
import { type Head, keyText, type Snapshot } from "../../../domain/batch.ts"
import { refText } from "../../../domain/entity.ts"
import type { Event } from "../../../domain/event.ts"
import type { Client, Statement } from "./client.ts"
import { commitFailure, isOver, Lost, sqlState } from "./errors.ts"
import { arrayText } from "./filter.ts"
import type { Pool } from "./pool.ts"
import { type DomainRow, type EntityRow, type EventRow, eventOf, headOf, stateOf } from "./rows.ts"
import * as statements from "./statements.ts"

/**
 * Group commits. The row of a domain is its lock. Units whose domains nobody else has share a transaction, and with it
 * one fsync; each of the others waits for its domain alone, holding none. Of batches that fail together for a reason that
 * is theirs, only the one that is to blame fails alone.
 */
export const commits = (pool: Pool): EventStore["Service"]["commit"] => {
  /** Heads as `attempt` has them. Fails with whatever keeps all of the batches from being stored. */
  const transaction = Effect.fnUntraced(function* (batches: ReadonlyArray<Batch>, waits: boolean) {
    for (let tries = 1; ; tries++) {
      const { heads, doubt } = yield* promised(() => pool.use((connection) => attempt(connection, batches, waits)))
      if (doubt === undefined) return heads
      const look = promised(() => pool.use((connection) => isStored(connection, doubt.head)))
      const stored = Effect.mapError(Effect.retry(look, outcomeRetry), (cause) => new OutcomeUnknown({ cause }))
      if (yield* stored) return heads
      if (tries === commitTriesMax) return yield* Effect.fail(doubt.cause)
    }
  })

  const alone = Effect.fnUntraced(function* (batch: Batch, until: number) {
    const waits = (yield* monotonicNow) < until
    const [head] = yield* Effect.catch(transaction([batch], waits), failureOf)
    return head ?? (yield* busy(undefined))
  })

  const commit = Effect.fnUntraced(function* (
    batches: ReadonlyArray<Batch>,
    onBatchCommitted: (batch: number, outcome: BatchResult) => void
  ) {
    const together = batches.length > 1 ? yield* Effect.result(transaction(batches, false)) : Result.succeed([])
    if (Result.isFailure(together) && isCommon(together.failure)) {
      const failure = yield* Effect.result(failureOf(together.failure))
      return batches.map(() => failure)
    }
    const heads: ReadonlyArray<Head | undefined> = Result.isSuccess(together) ? together.success : []
    for (const [i, head] of heads.entries()) if (head !== undefined) onBatchCommitted(i, Result.succeed(head))
    // However many there are, they wait no longer than one may.
    const until = (yield* monotonicNow) + headLockMsMax
    const own = (batch: Batch, i: number) => {
      const head = heads[i]
      if (head !== undefined) return Effect.succeed(Result.succeed(head))
      return Effect.tap(Effect.result(alone(batch, until)), (outcome) =>
        Effect.sync(() => onBatchCommitted(i, outcome))
      )
    }
    return yield* Effect.forEach(batches, own, { concurrency: pool.size })
  })

  return (batches, onBatchCommitted = () => {}) => Effect.uninterruptible(commit(batches, onBatchCommitted))
}

const promised = <A>(use: () => Promise<A>): Effect.Effect<A, unknown> =>
  Effect.tryPromise({ try: use, catch: (cause) => cause })

/** Whether each of the batches would fail with it alone, too. */
const isCommon = (cause: unknown): boolean =>
  cause instanceof OutcomeUnknown || cause instanceof DecisionFailed || isOver(cause)

const lockNotAvailable = "55P03"
const busy = (cause: unknown) =>
  Effect.fail(new Unavailable({ message: "others are changing this domain; try again later", cause }))

const failureOf = (cause: unknown): Effect.Effect<never, Unavailable | OutcomeUnknown | Defect> => {
  if (cause instanceof OutcomeUnknown) return Effect.fail(cause)
  if (sqlState(cause) === lockNotAvailable) return busy(cause)
  return cause instanceof DecisionFailed ? Effect.die(cause.cause) : commitFailure(cause)
}

/** What became of batches that were tried in one transaction. */
interface Attempted {
  /** One for each batch; undefined where somebody else had the domain, and nothing was done. */
  readonly heads: ReadonlyArray<Head | undefined>
  /** Set where it is not known whether the transaction was committed: why, and a head that it would have made. */
  readonly doubt?: { readonly cause: unknown; readonly head: Head }
}

/** Carries what `decide` threw past the handling of what is no mistake of ours. */
class DecisionFailed extends Error {}

interface LockedRow extends DomainRow {
  /** The transaction that holds the lock. */
  readonly transaction: string
}

interface InDomain {
  readonly domain: string
}

interface Decision {
  readonly row: LockedRow
  readonly events: ReadonlyArray<Event>
}

/**
 * Tries batches in one transaction of two round trips: lock and read, then write and COMMIT. Without `waits`, it leaves
 * out those whose domains somebody else has. Fails only where nothing was stored, nor can be.
 */
const attempt = async (connection: Client, batches: ReadonlyArray<Batch>, waits: boolean): Promise<Attempted> => {
  try {
    const [, , locked, states, ...remembered] = await connection.trip<
      [object, object, LockedRow, EntityRow & InDomain, ...ReadonlyArray<EventRow & InDomain>]
    >(
      ...locking(batches, waits),
      // In a statement of their own after the locks: one that locks and reads would see states from before its wait.
      statesOf(batches),
      ...rememberedOf(batches)
    )
    const snapshot = snapshots(states, remembered.flat())
    const rows = new Map(locked.map((row) => [row.name, row]))
    const decisions = batches.map((batch): Decision | undefined => {
      const row = rows.get(batch.domain)
      return row && { row, events: decided(batch, snapshot(row)) }
    })
    const heads = decisions.map((decision) => decision && headAfter(decision))
    const made = decisions.filter((decision) => decision !== undefined)
    if (made.some(({ events }) => events.length > 0)) return { heads, ...(await written(connection, made)) }
    await connection.outcomes(["ROLLBACK"])
    return { heads }
  } catch (error) {
    if (!connection.isLost) await connection.outcomes(["ROLLBACK"])
    throw error
  }
}

/**
 * Whether the transaction that made this head was committed. While it goes on it holds the lock of the domain, or its
 * place where it is new; nobody gets either before it is over.
 */
export const isStored = async (connection: Client, { domain, position, eventId }: Head): Promise<boolean> => {
  const [, , , found] = await connection.trip<[object, object, object, object]>(
    ...locking([{ domain }], true),
    [statements.eventAt, [domain, position, eventId]],
    ["ROLLBACK"]
  )
  return found.length > 0
}

const locking = (
  batches: ReadonlyArray<Pick<Batch, "domain" | "incarnation">>,
  waits: boolean
): [Statement, Statement, Statement] => {
  const incarnations = new Map(batches.map(({ domain, incarnation }) => [domain, incarnation ?? newIncarnation()]))
  const names = arrayText([...incarnations.keys()])
  return [
    [statements.begin],
    [statements.addDomains, [names, arrayText([...incarnations.values()])]],
    [waits ? statements.lockDomains : statements.lockFreeDomains, [names]]
  ]
}

const statesOf = (batches: ReadonlyArray<Batch>): Statement => {
  const refs = [...new Map(batches.flatMap((batch) => batch.refs.map((ref) => [refText(ref), ref]))).values()]
  const columns = [refs.map(({ domain }) => domain), refs.map(({ type }) => type), refs.map(({ key }) => key)]
  return [statements.statesOf, columns.map(arrayText)]
}

const rememberedOf = (batches: ReadonlyArray<Batch>): ReadonlyArray<Statement> => {
  const calls = new Map(
    batches.flatMap(({ domain, keys }) => keys.map((call) => [callText(domain, call), { ...call, domain }] as const))
  )
  const distinct = [...calls.values()]
  const domains = distinct.map(({ domain }) => domain)
  const columns = [domains, distinct.map(({ caller }) => caller), distinct.map(({ key }) => key)]
  return calls.size === 0 ? [] : [[statements.rememberedOf, columns.map(arrayText)]]
}

const callText = (domain: string, { caller, key }: Batch["keys"][number]): string =>
  keyText(domain, keyText(caller, key))

const snapshots = (states: ReadonlyArray<EntityRow & InDomain>, remembered: ReadonlyArray<EventRow & InDomain>) => {
  const byRef = new Map(states.map((row) => [refText(row), stateOf(row.domain, row)]))
  const byCall = Map.groupBy(
    remembered.map((row) => eventOf(row.domain, row)),
    ({ entity, idempotency }) => callText(entity.domain, idempotency!)
  )
  return ({ name, position, time, event_id: eventId }: DomainRow): Snapshot => ({
    position,
    time,
    eventId,
    state: (ref) => byRef.get(refText(ref)),
    remembered: (caller, key) => byCall.get(callText(name, { caller, key })) ?? []
  })
}

const decided = (batch: Batch, snapshot: Snapshot): ReadonlyArray<Event> => {
  try {
    return batch.decide(snapshot)
  } catch (cause) {
    throw new DecisionFailed("a commit was given up", { cause })
  }
}

const headAfter = ({ row, events }: Decision): Head => {
  const last = events.at(-1)
  const head = headOf(row)
  return last === undefined ? head : { ...head, position: last.position, time: last.time, eventId: last.id }
}

const written = async (connection: Client, made: ReadonlyArray<Decision>): Promise<Pick<Attempted, "doubt">> => {
  // The server ends a session that says nothing for too long, and what holds up this process may have been long.
  if (connection.isLost) throw new Lost("the connection was lost before anything was written")
  const unused = made.filter(({ row, events }) => row.position === 0n && events.length === 0).map(({ row }) => row.id)
  const domains = made.flatMap(({ row, events }) => events.map(() => row.id))
  const columns = statements.columnsOf(made.flatMap(({ events }) => events))
  const [wrote, committed] = await connection.outcomes<[object, object]>(
    [statements.write, [made[0]!.row.transaction, ...[unused, domains, ...columns].map(arrayText)]],
    ["COMMIT"]
  )
  if ("error" in wrote && !isOver(wrote.error)) throw wrote.error
  if ("error" in committed && !isOver(committed.error)) throw committed.error
  const head = headAfter(made.find(({ events }) => events.length > 0)!)
  if ("error" in wrote) return { doubt: { cause: wrote.error, head } }
  if ("error" in committed) return { doubt: { cause: committed.error, head } }
  // A transaction that has failed is rolled back by COMMIT, and that is no error; nor is one that is over already.
  const moved = new Set(domains).size
  if (committed.rows.command === "COMMIT" && wrote.rows.count === moved) return {}
  throw new Lost(`${committed.rows.command} after ${wrote.rows.count} of ${moved} heads were moved`)
}
