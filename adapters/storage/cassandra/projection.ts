import { Effect } from "effect"
import { cassandraRequestsMax, logPageBytesMax } from "../../../application/limits.ts"
import { Projection } from "../../../application/ports/Projection.ts"
import type { State } from "../../../domain/entity.ts"
import { attempt } from "./calls.ts"
import type { Open } from "./connection.ts"
import { partOf, shardOf, shards, stateOf, timestampAt } from "./rows.ts"
import { statesIn } from "./states.ts"

/** Rows that are read at once, as large as they may be. */
const pageRows = 16

/** The entities of a keyspace, for its maintenance. */
export const projection = (open: Open): Projection["Service"] => {
  const { cql, rows, each, write } = open
  const states = statesIn(open)

  /** Above whatever a commit or a mending has written so far, and below what the next commit writes. */
  const nextTimestamp = async (domain: string): Promise<bigint> => {
    const at = [partOf(domain), domain]
    const [[mark], [mended]] = await Promise.all([rows(cql.mark, at), rows(cql.mended, at)])
    const [committed, last] = [timestampAt(mark?.["position"] ?? 0n), (mended?.["mended"] ?? 0n) as bigint]
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
      yield* Effect.forEach(gone, drop, { concurrency: cassandraRequestsMax, discard: true })
    })
  })
}
