import { Effect, Result } from "effect"
import { type Defect, OutcomeUnknown, Unavailable } from "../../../application/failure.ts"
import { commitTriesMax, headLockMsMax } from "../../../application/limits.ts"
import { monotonicNow } from "../../../application/monotonic.ts"
import type { Committed, EventStore, Unit } from "../../../application/ports/EventStore.ts"
import { settling } from "../../../application/storage/outcome-retry.ts"
import type { Head } from "../../../domain/batch.ts"
import { isOver, refusal, sqlState } from "./connection.ts"
import type { Pool } from "./pool.ts"
import { attempt, DecisionFailed, isStored } from "./transaction.ts"

/**
 * Group commits. The row of a domain is its lock. Units whose domains nobody else has share a transaction, and with it
 * one fsync; each of the others waits for its domain alone, holding none. Of units that fail together for a reason that
 * is theirs, only the one that is to blame fails alone.
 */
export const commits = (pool: Pool): EventStore["Service"]["commit"] => {
  /** Heads as `attempt` has them. Fails with whatever keeps all of the units from being stored. */
  const transaction = Effect.fnUntraced(function* (units: ReadonlyArray<Unit>, waits: boolean) {
    for (let tries = 1; ; tries++) {
      const { heads, doubt } = yield* promised(() => pool.use((connection) => attempt(connection, units, waits)))
      if (doubt === undefined) return heads
      const look = promised(() => pool.use((connection) => isStored(connection, doubt.head)))
      const stored = Effect.mapError(Effect.retry(look, settling), (cause) => new OutcomeUnknown({ cause }))
      if (yield* stored) return heads
      if (tries === commitTriesMax) return yield* Effect.fail(doubt.cause)
    }
  })

  const alone = Effect.fnUntraced(function* (unit: Unit, until: number) {
    const waits = (yield* monotonicNow) < until
    const [head] = yield* Effect.catch(transaction([unit], waits), told)
    return head ?? (yield* busy(undefined))
  })

  const commit = Effect.fnUntraced(function* (
    units: ReadonlyArray<Unit>,
    tell: (unit: number, outcome: Committed) => void
  ) {
    const together = units.length > 1 ? yield* Effect.result(transaction(units, false)) : Result.succeed([])
    if (Result.isFailure(together) && isCommon(together.failure)) {
      const failure = yield* Effect.result(told(together.failure))
      return units.map(() => failure)
    }
    const heads: ReadonlyArray<Head | undefined> = Result.isSuccess(together) ? together.success : []
    for (const [i, head] of heads.entries()) if (head !== undefined) tell(i, Result.succeed(head))
    // However many there are, they wait no longer than one may.
    const until = (yield* monotonicNow) + headLockMsMax
    const own = (unit: Unit, i: number) => {
      const head = heads[i]
      if (head !== undefined) return Effect.succeed(Result.succeed(head))
      return Effect.tap(Effect.result(alone(unit, until)), (outcome) => Effect.sync(() => tell(i, outcome)))
    }
    return yield* Effect.forEach(units, own, { concurrency: pool.size })
  })

  return (units, tell = () => {}) => Effect.uninterruptible(commit(units, tell))
}

const promised = <A>(use: () => Promise<A>): Effect.Effect<A, unknown> =>
  Effect.tryPromise({ try: use, catch: (cause) => cause })

/** Whether each of the units would fail with it alone, too. */
const isCommon = (cause: unknown): boolean =>
  cause instanceof OutcomeUnknown || cause instanceof DecisionFailed || isOver(cause)

const lockNotAvailable = "55P03"
const busy = (cause: unknown) =>
  Effect.fail(new Unavailable({ message: "others are changing this domain; try again later", cause }))

const told = (cause: unknown): Effect.Effect<never, Unavailable | OutcomeUnknown | Defect> => {
  if (cause instanceof OutcomeUnknown) return Effect.fail(cause)
  if (sqlState(cause) === lockNotAvailable) return busy(cause)
  return cause instanceof DecisionFailed ? Effect.die(cause.cause) : refusal(cause)
}
