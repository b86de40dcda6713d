// Projections that are broken on purpose, over a healthy memory store.

import { Effect } from "effect"
import { MemoryStore, port, projection } from "../../../adapters/storage/memory/store.ts"
import type { EventStore } from "../../../application/ports/EventStore.ts"
import type { Projection } from "../../../application/ports/Projection.ts"

export interface ProjectionMutant {
  readonly does: string
  readonly breaks: string
  readonly make: () => { readonly store: EventStore["Service"]; readonly projection: Projection["Service"] }
}

const once = "everything stored of a domain comes once, tombstones included and nothing of others, page after page"
const given = "entities are put to the states that are given, whatever is stored of them, and found as such"
const gone = "what is gone is stored no more, and what was not there can be put there"
const goesOn = "commits go on from what was put right"

const projectionThat = (
  does: string,
  breaks: string,
  change: (healthy: Projection["Service"]) => Partial<Projection["Service"]>
): ProjectionMutant => ({
  does,
  breaks,
  make: () => {
    const memory = new MemoryStore()
    const healthy = projection(memory)
    return { store: port(memory), projection: { ...healthy, ...change(healthy) } }
  }
})

export const projections: ReadonlyArray<ProjectionMutant> = [
  projectionThat("leaves tombstones out", once, ({ stored }) => ({
    stored: (...page) => Effect.map(stored(...page), (states) => states.filter(({ deleted }) => !deleted))
  })),
  projectionThat("begins every page anew", once, ({ stored }) => ({
    stored: (domain, after, limit) => (after?.key === "c" ? Effect.succeed([]) : stored(domain, undefined, limit))
  })),
  projectionThat("gives more than was asked for", once, ({ stored }) => ({
    stored: (domain, after, limit) => stored(domain, after, limit + 1)
  })),
  projectionThat("leaves out the first one of a page", once, ({ stored }) => ({
    stored: (domain, after, limit) => Effect.map(stored(domain, after, limit), (states) => states.slice(1))
  })),
  projectionThat("changes nothing", given, () => ({ restate: () => Effect.void })),
  projectionThat("never goes back to an older version of an entity", goesOn, ({ restate }) => ({
    restate: (domain, states, refs) =>
      restate(
        domain,
        states.filter(({ version }) => version > 1n),
        refs
      )
  })),
  projectionThat("takes nothing away", gone, ({ restate }) => ({
    restate: (domain, states) => restate(domain, states, [])
  })),
  projectionThat("puts nothing where nothing was", gone, ({ restate }) => ({
    restate: (domain, states, refs) =>
      restate(
        domain,
        states.filter(({ key }) => key !== "stranger"),
        refs
      )
  })),
  projectionThat("knows no versions", goesOn, ({ restate }) => ({
    restate: (domain, states, refs) =>
      restate(
        domain,
        states.map((state) => ({ ...state, version: 5n })),
        refs
      )
  }))
]
