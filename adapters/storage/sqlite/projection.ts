import { Effect } from "effect"
import { OutcomeUnknown, Unavailable } from "../../../application/failure.ts"
import { Projection } from "../../../application/ports/Projection.ts"
import { jsonText } from "../../../domain/json.ts"
import type { Connection } from "./connection.ts"
import { type DomainRow, type EntityRow, stateOf } from "./rows.ts"

/** The entities of a file, for its upkeep. */
export const projection = (connection: Connection): Projection["Service"] =>
  Projection.of({
    stored: (domain, after, limit) =>
      answered(() =>
        connection.read(({ statements }) => {
          const row = statements.domain.get(domain) as DomainRow | undefined
          if (row === undefined) return []
          const { type, key } = after ?? { type: "", key: "" }
          const rows = statements.entitiesAfter.all(row.id, type, key, limit) as unknown as ReadonlyArray<EntityRow>
          return rows.map((entity) => stateOf(domain, entity))
        })
      ),
    restate: (domain, states, gone) =>
      answered(() =>
        connection.write(
          ({ statements }) => {
            const row = statements.domain.get(domain) as DomainRow | undefined
            if (row === undefined) return
            for (const { type, key, version, deleted, values } of states) {
              statements.putEntity.run(row.id, type, key, version, deleted ? 1 : 0, jsonText(values))
            }
            for (const { type, key } of gone) statements.dropEntity.run(row.id, type, key)
          },
          // To put them right once more does no harm, so a commit of which nothing is known counts as none.
          () => false
        )
      )
  })

const answered = <A>(ask: () => A | Unavailable | OutcomeUnknown): Effect.Effect<A, Unavailable> =>
  Effect.suspend(() => {
    const answer = ask()
    if (answer instanceof Unavailable) return Effect.fail(answer)
    if (answer instanceof OutcomeUnknown) {
      return Effect.fail(new Unavailable({ message: "the store is not available; try again later", cause: answer }))
    }
    return Effect.succeed(answer)
  })
