import { Effect } from "effect"
import type { Unavailable } from "../../../application/failure.ts"
import { cassandraRequestsMax, knownTypesMax, logPageBytesMax } from "../../../application/limits.ts"
import { Projection } from "../../../application/ports/Projection.ts"
import { anyTerm, termsOf } from "../../../application/storage/index-terms.ts"
import type { Ref, State } from "../../../domain/entity.ts"
import { jsonText } from "../../../domain/json.ts"
import { batched, type RowWrite } from "./calls.ts"
import type { Open } from "./connection.ts"
import { attempt } from "./errors.ts"
import { entityRow, partOf, shardOf, shards, stateOf, timestampAt } from "./rows.ts"

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
  /** Types that are known to have their row. */
  const known = new Set<string>()

  /** The row of a type is written before those of its entities, and stays. */
  const putType = Effect.fnUntraced(function* ({ domain, type }: Ref, isWide: boolean) {
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
      yield* Effect.forEach([...types.values()], ([ref, isWide]) => putType(ref, isWide), {
        concurrency,
        discard: true
      })
      const request = (some: ReadonlyArray<RowWrite>) => attempt(() => write(some))
      yield* Effect.forEach(batched(writes), request, { concurrency, discard: true })
    })
  }
}

/** What a term takes in a request, with its timestamp. */
const termBytes = 32

const shardText = ({ domain, type, key }: Ref): string => JSON.stringify([domain, type, shardOf(key)])

/** Rows that are read at once, as large as they may be. */
const pageRows = 16

/** The entities of a keyspace, for its maintenance. */
export const projection = (open: Open): Projection["Service"] => {
  const { cql, rows, each, write } = open
  const states = statesIn(open)

  /** Above whatever a commit or a mending has written so far, and below what the next commit writes. */
  const nextTimestamp = async (domain: string): Promise<bigint> => {
    const at = [partOf(domain), domain]
    const [[applied], [mended]] = await Promise.all([rows(cql.appliedHead, at), rows(cql.mended, at)])
    const [committed, last] = [timestampAt(applied?.["position"] ?? 0n), (mended?.["mended"] ?? 0n) as bigint]
    const timestamp = (committed > last ? committed : last) + 1n
    await write([{ query: cql.mend, params: [...at, timestamp] }])
    return timestamp
  }

  return Projection.of({
    stored: (domain, after, limit) =>
      attempt(async () => {
        const found: Array<State> = []
        let bytes = 0
        for await (const { type } of each(cql.typesFrom, [domain, after?.type ?? ""])) {
          const isBehind = type !== after?.type
          for (const shard of isBehind ? shards : shards.slice(shardOf(after!.key))) {
            const key = isBehind || shard !== shardOf(after!.key) ? "" : after!.key
            for await (const row of each(cql.entitiesAfter, [domain, type, shard, key], pageRows)) {
              bytes += row["values_json"].length
              if (found.length === limit || (bytes > logPageBytesMax && found.length > 0)) return found
              found.push(stateOf(row))
            }
          }
        }
        return found
      }),

    restate: Effect.fnUntraced(function* (domain, right, gone) {
      const timestamp = yield* attempt(() => nextTimestamp(domain))
      yield* states.put(right.map((state) => ({ state, timestamp })))
      const drop = ({ type, key }: (typeof gone)[number]) =>
        attempt(() => write([{ query: cql.dropEntity, params: [timestamp, domain, type, shardOf(key), key] }]))
      yield* Effect.forEach(gone, drop, { concurrency, discard: true })
    })
  })
}
