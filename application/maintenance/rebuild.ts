import { Effect } from "effect"
import type { Head } from "../../domain/batch.ts"
import { type Ref, refText, type State } from "../../domain/entity.ts"
import { type Event, evolve } from "../../domain/event.ts"
import { literalGlob } from "../../domain/glob.ts"
import { canonicalText } from "../../domain/json.ts"
import type { Unavailable } from "../failure.ts"
import { logPageEventsMax, maintenanceEntitiesMax, maintenanceReadsAtOnce } from "../limits.ts"
import type { Projection } from "../ports/Projection.ts"
import { eachPage, headsOf, type NotPossible, notPossible, type Store } from "./log.ts"

/** An entity whose stored state differs from the state that its log makes. */
export interface Difference {
  readonly ref: Ref
  /** Absent: no event made the entity. */
  readonly expected?: State
  /** Absent: the store does not hold the entity. */
  readonly stored?: State
}

export interface RebuildOptions {
  /** Whether to replace the entities that differ. */
  readonly repair: boolean
  readonly onDifference: (difference: Difference) => Effect.Effect<void>
}

/** The outcome of the rebuild of one domain. */
export interface RebuildResult {
  readonly domain: string
  readonly events: bigint
  readonly entities: number
  readonly differences: number
}

/**
 * Rebuilds every entity from the logs and compares it with the stored one; with `repair`, replaces those that differ.
 * Gateways must not write meanwhile: `rebuild` repairs nothing in a domain whose head has moved.
 */
export const rebuild = (
  store: Store,
  projection: Projection["Service"],
  { repair, onDifference }: RebuildOptions
): Effect.Effect<ReadonlyArray<RebuildResult>, NotPossible | Unavailable> =>
  Effect.flatMap(headsOf(store), (heads) =>
    Effect.forEach(heads, (head) => rebuildDomain(store, projection, head, { repair, onDifference }))
  )

const rebuildDomain = (
  store: Store,
  projection: Projection["Service"],
  { domain, position }: Head,
  { repair, onDifference }: RebuildOptions
): Effect.Effect<RebuildResult, NotPossible | Unavailable> =>
  Effect.gen(function* () {
    // A log of n events makes at most n entities.
    const passes = Math.max(1, Math.ceil(Number(position) / maintenanceEntitiesMax))
    let entities = 0
    let differences = 0
    const handle = (found: ReadonlyArray<Difference>) =>
      Effect.gen(function* () {
        if (found.length === 0) return
        differences += found.length
        yield* Effect.forEach(found, onDifference, { discard: true })
        if (!repair) return
        // A commit since the start may explain the difference; a repair would then undo it.
        const [now] = yield* store.heads(literalGlob(domain), 1)
        if (now?.position !== position)
          return yield* Effect.fail(notPossible(`another process writes to ${domain}; stop it and run rebuild again`))
        const states = found.flatMap(({ expected }) => (expected === undefined ? [] : [expected]))
        const gone = found.flatMap(({ expected, ref }) => (expected === undefined ? [ref] : []))
        yield* projection.restate(domain, states, gone)
      })

    for (let pass = 0; pass < passes; pass++) {
      const isInPass = (text: string) => hashOf(text) % passes === pass
      const last = yield* lastPositions(store, domain, position, isInPass)
      entities += last.size
      yield* eachPage(store, domain, 0n, position, (events) =>
        Effect.flatMap(
          Effect.forEach(
            events.filter((event) => last.get(refText(event.entity)) === event.position),
            (event) => compare(store, event),
            { concurrency: maintenanceReadsAtOnce }
          ),
          (found) => handle(found.flat())
        )
      )
      yield* eachOrphan(projection, domain, (text) => isInPass(text) && !last.has(text), handle)
    }
    return { domain, events: position, entities, differences }
  })

/** The position of the last event of each entity. */
const lastPositions = (store: Store, domain: string, until: bigint, isInPass: (text: string) => boolean) =>
  Effect.gen(function* () {
    const last = new Map<string, bigint>()
    yield* eachPage(store, domain, 0n, until, (events) =>
      Effect.sync(() => {
        for (const { entity, position } of events) {
          const text = refText(entity)
          if (isInPass(text)) last.set(text, position)
        }
      })
    )
    return last
  })

const compare = (store: Store, event: Event): Effect.Effect<ReadonlyArray<Difference>, Unavailable> => {
  const expected = evolve(event)
  const { domain, type, key } = event.entity
  const ref = { domain, type, key }
  return Effect.map(store.state(ref), (stored) => {
    if (stored === undefined) return [{ ref, expected }]
    return isSame(expected, stored) ? [] : [{ ref, expected, stored }]
  })
}

const isSame = (a: State, b: State): boolean =>
  a.version === b.version && a.deleted === b.deleted && canonicalText(a.values) === canonicalText(b.values)

/** Gives `handle` the stored entities that no event made. */
const eachOrphan = <E>(
  projection: Projection["Service"],
  domain: string,
  isOrphan: (text: string) => boolean,
  handle: (found: ReadonlyArray<Difference>) => Effect.Effect<void, E>
): Effect.Effect<void, E | Unavailable> =>
  Effect.gen(function* () {
    let after: Ref | undefined
    while (true) {
      const page: ReadonlyArray<State> = yield* projection.stored(domain, after, logPageEventsMax)
      const last = page.at(-1)
      if (last === undefined) return
      after = { domain, type: last.type, key: last.key }
      yield* handle(
        page
          .filter((stored) => isOrphan(refText(stored)))
          .map((stored) => ({ ref: { domain, type: stored.type, key: stored.key }, stored }))
      )
    }
  })

/** Spreads refs over passes (FNV-1a). */
const hashOf = (text: string): number => {
  let hash = 0x811c9dc5
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  return hash >>> 0
}
