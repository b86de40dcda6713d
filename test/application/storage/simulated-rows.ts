// The primitives of commit records over maps: what a store does when nothing goes wrong.

import { Effect } from "effect"
import type { OutcomeUnknown, Unavailable } from "../../../application/failure.ts"
import type {
  CommitPrimitives,
  CommitRecord,
  LogPosition
} from "../../../application/storage/commit-records/primitives.ts"
import { type Head, keyText } from "../../../domain/batch.ts"
import { refText, type State } from "../../../domain/entity.ts"
import { type Event, evolve } from "../../../domain/event.ts"

const positionText = ({ domain, position }: LogPosition): string => `${domain}\n${position}`

export class Rows {
  readonly records = new Map<string, CommitRecord>()
  readonly events = new Map<string, Event>()
  readonly states = new Map<string, State>()
  readonly applied = new Map<string, Head>()

  insert(record: CommitRecord): CommitRecord {
    const place = positionText(record)
    const there = this.records.get(place) ?? record
    this.records.set(place, there)
    return there
  }

  record(place: LogPosition): CommitRecord | undefined {
    return this.records.get(positionText(place))
  }

  remembered(domain: string, caller: string, key: string): ReadonlyArray<Event> {
    const own = [...this.events.values()].filter(({ entity, idempotency }) => {
      return entity.domain === domain && idempotency?.caller === caller && idempotency.key === key
    })
    return own.sort((a, b) => Number(a.position - b.position))
  }

  putEvent(domain: string, event: Event): void {
    const place = positionText({ domain, position: event.position })
    if (!this.events.has(place)) this.events.set(place, event)
  }

  event(domain: string, position: bigint): Event | undefined {
    return this.events.get(positionText({ domain, position }))
  }

  putState(state: State): void {
    const ref = refText(state)
    const there = this.states.get(ref)
    if (there === undefined || there.version < state.version) this.states.set(ref, state)
  }

  advanceApplied(head: Head): void {
    const there = this.applied.get(head.domain)
    if (there === undefined || there.position < head.position) this.applied.set(head.domain, head)
  }
}

/** One thing that the store does at once, and what it is called. */
export type Act = <A>(name: string, act: () => A) => Effect.Effect<A, Unavailable | OutcomeUnknown>

/** The primitives, row by row: between any two rows, as between any two calls, anything may happen. */
export const primitivesOver = (rows: Rows, act: Act): CommitPrimitives => {
  const one = act as <A>(name: string, act: () => A) => Effect.Effect<A, Unavailable>
  return {
    appliedHead: (domain) => one("applied", () => rows.applied.get(domain)),
    readSnapshot: Effect.fnUntraced(function* (domain, refs, keys) {
      const texts = new Set(refs.map(refText))
      const states = yield* Effect.forEach(texts, (ref) => one("state", () => rows.states.get(ref)))
      const named = new Map(keys.map((key) => [keyText(key.caller, key.key), key]))
      const events = yield* Effect.forEach(named.values(), ({ caller, key }) =>
        one("key", () => rows.remembered(domain, caller, key))
      )
      return { states: states.filter((state) => state !== undefined), events: events.flat() }
    }),
    insertRecord: (record) => act("insert", () => rows.insert(record)),
    recordsAt: (positions) => one("records", () => positions.flatMap((at) => rows.record(at) ?? [])),
    projectEvents: (domain, events) =>
      Effect.forEach(events, (event) => one("event", () => rows.putEvent(domain, event)), { discard: true }),
    projectStates: (_, latest) =>
      Effect.forEach(latest, (event) => one("entity", () => rows.putState(evolve(event))), { discard: true }),
    advanceApplied: (head) => one("advance", () => rows.advanceApplied(head))
  }
}

/** Nothing goes wrong, and nothing comes in between. */
export const directly: Act = (_, act) => Effect.sync(act)
