import { Effect } from "effect"
import { Projection } from "../../../application/ports/Projection.ts"
import { byId, type Open } from "./connection.ts"
import { attempt } from "./errors.ts"
import { entityRow, refId, stateOf } from "./rows.ts"

/** The entities of a database, for its maintenance. */
export const projection = ({ collections: { entities }, fresh }: Open): Projection["Service"] =>
  Projection.of({
    stored: (domain, after, limit) =>
      Effect.map(
        attempt(() => {
          const following = after === undefined ? {} : { _id: { $gt: refId(after) } }
          return entities
            .find({ domain, ...following }, { ...fresh, ...byId })
            .sort({ _id: 1 })
            .limit(limit)
            .toArray()
        }),
        (rows) => rows.map(stateOf)
      ),
    restate: (domain, states, gone) =>
      attempt(async () => {
        const writes = [
          ...states.map(entityRow).map(({ _id, ...row }) => ({
            // `updateMany` for the same reason as in commit.ts.
            updateMany: { filter: { _id, domain }, update: { $set: row }, upsert: true }
          })),
          ...gone.map((ref) => ({ deleteOne: { filter: { _id: refId(ref), domain } } }))
        ]
        if (writes.length > 0) await entities.bulkWrite(writes, { ordered: false })
      })
  })
