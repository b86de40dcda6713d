// The primitives of claims over maps: what a store does, without anything that can go wrong.

import { Effect } from "effect"
import type { OutcomeUnknown, Unavailable } from "../../../application/failure.ts"
import type { ClaimRecord, Place, Primitives } from "../../../application/storage/commit-records/primitives.ts"
import { type Head, keyText } from "../../../domain/batch.ts"
import { refText, type State } from "../../../domain/entity.ts"
import { type Event, evolve } from "../../../domain/event.ts"

const placeText = ({ domain, position }: Place): string => `${domain}\n${position}`

export class Rows {
  readonly records = new Map<string, ClaimRecord>()
  readonly events = new Map<string, Event>()
  readonly states = new Map<string, State>()
  readonly marks = new Map<string, Head>()

  claim(record: ClaimRecord): ClaimRecord {
    const place = placeText(record)
    const there = this.records.get(place) ?? record
    this.records.set(place, there)
    return there
  }

  record(place: Place): ClaimRecord | undefined {
    return this.records.get(placeText(place))
  }

  remembered(domain: string, caller: string, key: string): ReadonlyArray<Event> {
    const own = [...this.events.values()].filter(({ entity, idempotency }) => {
      return entity.domain === domain && idempotency?.caller === caller && idempotency.key === key
    })
    return own.sort((a, b) => Number(a.position - b.position))
  }

  putEvent(domain: string, event: Event): void {
    const place = placeText({ domain, position: event.position })
    if (!this.events.has(place)) this.events.set(place, event)
  }

  event(domain: string, position: bigint): Event | undefined {
    return this.events.get(placeText({ domain, position }))
  }

  putState(state: State): void {
    const ref = refText(state)
    const there = this.states.get(ref)
    if (there === undefined || there.version < state.version) this.states.set(ref, state)
  }

  moveMark(head: Head): void {
    const there = this.marks.get(head.domain)
    if (there === undefined || there.position < head.position) this.marks.set(head.domain, head)
  }
}

/** One thing that the store does at once, and what it is called. */
export type Act = <A>(name: string, act: () => A) => Effect.Effect<A, Unavailable | OutcomeUnknown>

/** The primitives, row by row: between any two rows, as between any two calls, anything may happen. */
export const primitivesOver = (rows: Rows, act: Act): Primitives => {
  const one = act as <A>(name: string, act: () => A) => Effect.Effect<A, Unavailable>
  return {
    mark: (domain) => one("mark", () => rows.marks.get(domain)),
    recall: Effect.fnUntraced(function* (domain, refs, keys) {
      const texts = new Set(refs.map(refText))
      const states = yield* Effect.forEach(texts, (ref) => one("state", () => rows.states.get(ref)))
      const named = new Map(keys.map((key) => [keyText(key.caller, key.key), key]))
      const events = yield* Effect.forEach(named.values(), ({ caller, key }) =>
        one("key", () => rows.remembered(domain, caller, key))
      )
      return { states: states.filter((state) => state !== undefined), events: events.flat() }
    }),
    claim: (record) => act("claim", () => rows.claim(record)),
    claimed: (places) => one("claimed", () => places.flatMap((place) => rows.record(place) ?? [])),
    projectEvents: (domain, events) =>
      Effect.forEach(events, (event) => one("event", () => rows.putEvent(domain, event)), { discard: true }),
    projectStates: (_, latest) =>
      Effect.forEach(latest, (event) => one("entity", () => rows.putState(evolve(event))), { discard: true }),
    moveMark: (head) => one("move", () => rows.moveMark(head))
  }
}

/** Nothing goes wrong, and nothing comes in between. */
export const directly: Act = (_, act) => Effect.sync(act)
