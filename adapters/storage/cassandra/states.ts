import { Effect } from "effect"
import type { Unavailable } from "../../../application/failure.ts"
import { cassandraRequestsMax, knownTypesMax } from "../../../application/limits.ts"
import { anyTerm, termsOf } from "../../../application/storage/index-terms.ts"
import type { Ref, State } from "../../../domain/entity.ts"
import { jsonText } from "../../../domain/json.ts"
import { batched, type RowWrite } from "./batches.ts"
import { attempt } from "./calls.ts"
import type { Open } from "./connection.ts"
import { entityRow, shardOf, stateOf } from "./rows.ts"

const concurrency = cassandraRequestsMax

/** A state, and the timestamp under which it counts. */
export interface Stamped {
  readonly state: State
  readonly timestamp: bigint
}

/** The entities as they are stored. */
export interface States {
  /** In no order. */
  readonly read: (refs: ReadonlyArray<Ref>) => Effect.Effect<ReadonlyArray<State>, Unavailable>
  /** Of one domain. */
  readonly put: (states: ReadonlyArray<Stamped>) => Effect.Effect<void, Unavailable>
}

export const statesIn = ({ cql, rows, write }: Open): States => {
  /** Types that are known to be told. */
  const known = new Set<string>()

  /** A type is told before its entities are there, and stays. */
  const tell = Effect.fnUntraced(function* ({ domain, type }: Ref, isWide: boolean) {
    const text = JSON.stringify([domain, type, isWide])
    if (known.has(text)) return
    yield* attempt(() => write([{ query: isWide ? cql.putWideType : cql.putType, params: [domain, type] }]))
    if (known.size >= knownTypesMax) known.clear()
    known.add(text)
  })

  return {
    read: (refs) => {
      const inShard = (some: ReadonlyArray<Ref>) => {
        const { domain, type, key } = some[0]!
        const keys = [...new Set(some.map((ref) => ref.key))]
        return attempt(() => rows(cql.entities, [domain, type, shardOf(key), keys]))
      }
      const shards = [...Map.groupBy(refs, shardText).values()]
      return Effect.map(Effect.forEach(shards, inShard, { concurrency }), (found) => found.flat().map(stateOf))
    },

    put: Effect.fnUntraced(function* (states) {
      const types = new Map<string, readonly [Ref, isWide: boolean]>()
      const writes = states.map(({ state, timestamp }): RowWrite => {
        const terms = state.deleted ? [] : termsOf(state.values)
        const isWide = terms.includes(anyTerm)
        types.set(`${state.type}\u0000${isWide}`, [state, isWide])
        return {
          query: cql.putEntity,
          params: entityRow(state, terms, timestamp),
          partition: shardText(state),
          bytes: jsonText(state.values).length + termBytes * terms.length
        }
      })
      yield* Effect.forEach([...types.values()], ([ref, isWide]) => tell(ref, isWide), { concurrency, discard: true })
      const request = (some: ReadonlyArray<RowWrite>) => attempt(() => write(some))
      yield* Effect.forEach(batched(writes), request, { concurrency, discard: true })
    })
  }
}

/** What a term takes in a request, with its timestamp. */
const termBytes = 32

const shardText = ({ domain, type, key }: Ref): string => JSON.stringify([domain, type, shardOf(key)])
