import { Effect } from "effect"
import type { Head } from "../../domain/batch.ts"
import { type Ref, refText, type State } from "../../domain/entity.ts"
import { type Event, evolve } from "../../domain/event.ts"
import { literalGlob } from "../../domain/glob.ts"
import { canonicalText } from "../../domain/json.ts"
import type { Unavailable } from "../failure.ts"
import { logPageEventsMax, upkeepEntitiesMax, upkeepReadsAtOnce } from "../limits.ts"
import type { Projection } from "../ports/Projection.ts"
import { eachPage, headsOf, type NotPossible, notPossible, type Store } from "./log.ts"

/** An entity that is not what its log makes of it. */
export interface Difference {
  readonly ref: Ref
  /** Absent: the log never made it. */
  readonly expected?: State
  /** Absent: it is not stored. */
  readonly stored?: State
}

/** What was found in one domain. */
export interface Rebuilt {
  readonly domain: string
  readonly events: bigint
  readonly entities: number
  readonly differences: number
}

/**
 * Makes every entity anew from the logs and compares it with what is stored; with `mend`, puts right what differs. Nobody
 * may commit meanwhile.
 */
export const rebuild = (
  store: Store,
  projection: Projection["Service"],
  { mend, tell }: { readonly mend: boolean; readonly tell: (difference: Difference) => Effect.Effect<void> }
): Effect.Effect<ReadonlyArray<Rebuilt>, NotPossible | Unavailable> =>
  Effect.flatMap(headsOf(store), (heads) =>
    Effect.forEach(heads, (head) => rebuildDomain(store, projection, head, mend, tell))
  )

const rebuildDomain = (
  store: Store,
  projection: Projection["Service"],
  { domain, position }: Head,
  mend: boolean,
  tell: (difference: Difference) => Effect.Effect<void>
): Effect.Effect<Rebuilt, NotPossible | Unavailable> =>
  Effect.gen(function* () {
    // There are no more entities than events.
    const passes = Math.max(1, Math.ceil(Number(position) / upkeepEntitiesMax))
    let entities = 0
    let differences = 0
    const differ = (found: ReadonlyArray<Difference>) =>
      Effect.gen(function* () {
        if (found.length === 0) return
        differences += found.length
        yield* Effect.forEach(found, tell, { discard: true })
        if (!mend) return
        // What differs may be what somebody has just written, and must not be put back.
        const [now] = yield* store.heads(literalGlob(domain), 1)
        if (now?.position !== position) return yield* Effect.fail(notPossible(`somebody writes to ${domain}`))
        const states = found.flatMap(({ expected }) => (expected === undefined ? [] : [expected]))
        const gone = found.flatMap(({ expected, ref }) => (expected === undefined ? [ref] : []))
        yield* projection.restate(domain, states, gone)
      })

    for (let pass = 0; pass < passes; pass++) {
      const isOurs = (text: string) => hashOf(text) % passes === pass
      const last = yield* lastPositions(store, domain, position, isOurs)
      entities += last.size
      yield* eachPage(store, domain, 0n, position, (events) =>
        Effect.flatMap(
          Effect.forEach(
            events.filter((event) => last.get(refText(event.entity)) === event.position),
            (event) => compared(store, event),
            { concurrency: upkeepReadsAtOnce }
          ),
          (found) => differ(found.flat())
        )
      )
      yield* strangers(projection, domain, (text) => isOurs(text) && !last.has(text), differ)
    }
    return { domain, events: position, entities, differences }
  })

/** Where the last event of each entity is. */
const lastPositions = (store: Store, domain: string, until: bigint, isOurs: (text: string) => boolean) =>
  Effect.gen(function* () {
    const last = new Map<string, bigint>()
    yield* eachPage(store, domain, 0n, until, (events) =>
      Effect.sync(() => {
        for (const { entity, position } of events) {
          const text = refText(entity)
          if (isOurs(text)) last.set(text, position)
        }
      })
    )
    return last
  })

const compared = (store: Store, event: Event): Effect.Effect<ReadonlyArray<Difference>, Unavailable> => {
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

/** Looks through what is stored for what no event made. */
const strangers = <E>(
  projection: Projection["Service"],
  domain: string,
  isStrange: (text: string) => boolean,
  differ: (found: ReadonlyArray<Difference>) => Effect.Effect<void, E>
): Effect.Effect<void, E | Unavailable> =>
  Effect.gen(function* () {
    let after: Ref | undefined
    while (true) {
      const page: ReadonlyArray<State> = yield* projection.stored(domain, after, logPageEventsMax)
      const last = page.at(-1)
      if (last === undefined) return
      after = { domain, type: last.type, key: last.key }
      yield* differ(
        page
          .filter((stored) => isStrange(refText(stored)))
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
