import { Effect } from "effect"
import { type Defect, type OutcomeUnknown, storeUnavailable, type Unavailable } from "../../../application/failure.ts"
import { Projection } from "../../../application/ports/Projection.ts"
import { jsonText } from "../../../domain/json.ts"
import { type DomainRow, type EntityRow, stateOf } from "./rows.ts"
import type { Read } from "./search.ts"
import { putEntity, type Step } from "./statements.ts"

/** The entities of a file, for its maintenance. */
export const projection = (
  read: Read,
  write: (steps: ReadonlyArray<Step>) => Effect.Effect<void, Unavailable | OutcomeUnknown | Defect>
): Projection["Service"] =>
  Projection.of({
    stored: (domain, after, limit) =>
      read(({ statements }) => {
        const row = statements.domain.get(domain) as DomainRow | undefined
        if (row === undefined) return []
        const { type, key } = after ?? { type: "", key: "" }
        const rows = statements.entitiesAfter.all(row.id, type, key, limit) as unknown as ReadonlyArray<EntityRow>
        return rows.map((entity) => stateOf(domain, entity))
      }),
    restate: (domain, states, gone) =>
      Effect.flatMap(
        read(({ statements }) => statements.domain.get(domain) as DomainRow | undefined),
        (row) => {
          if (row === undefined) return Effect.void
          const steps: ReadonlyArray<Step> = [
            ...states.map((state) => putEntity(row.id, state, state.deleted, jsonText(state.values))),
            ...gone.map(({ type, key }): Step => ["dropEntity", row.id, type, key])
          ]
          // To put them right once more does no harm, so a commit of which nothing is known counts as none.
          return write(steps).pipe(
            Effect.catchTag("OutcomeUnknown", (failure) => Effect.fail(storeUnavailable(failure))),
            Effect.catchTag("Defect", ({ cause }) => Effect.die(cause))
          )
        }
      )
  })
