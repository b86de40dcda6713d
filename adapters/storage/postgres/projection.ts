import { Effect } from "effect"
import { Projection } from "../../../application/ports/Projection.ts"
import { jsonText } from "../../../domain/json.ts"
import type { Open } from "./connection.ts"
import { arrayText } from "./filter.ts"
import { asked } from "./pool.ts"
import { type EntityRow, stateOf } from "./rows.ts"
import * as statements from "./statements.ts"

/** The entities of a database, for its maintenance. */
export const projection = ({ commits, reads }: Open): Projection["Service"] =>
  Projection.of({
    stored: (domain, after, limit) => {
      const params = [domain, after?.type ?? "", after?.key ?? "", BigInt(limit)]
      return Effect.map(asked<EntityRow>(reads, statements.entitiesBehind, params), (rows) =>
        rows.map((row) => stateOf(domain, row))
      )
    },
    restate: (domain, states, gone) => {
      const columns = [
        gone.map(({ type }) => type),
        gone.map(({ key }) => key),
        states.map(({ type }) => type),
        states.map(({ key }) => key),
        states.map(({ version }) => version),
        states.map(({ deleted }) => deleted),
        states.map(({ values }) => jsonText(values))
      ]
      return Effect.asVoid(asked(commits, statements.restate, [domain, ...columns.map(arrayText)]))
    }
  })
