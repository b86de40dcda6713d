// What every store must tell of its entities, and how it must put them right.

import { Effect, type Layer } from "effect"
import { assert } from "vitest"
import { EventStore } from "../../application/ports/EventStore.ts"
import { Projection } from "../../application/ports/Projection.ts"
import { type Ref, refText, type State } from "../../domain/entity.ts"
import { fold } from "../../domain/event.ts"
import { entitiesOf } from "./event-store/searching.ts"
import { append, commit, del, entityOf, job, logOf, refIn, set } from "./event-store/writing.ts"
import { fresh, type Law, register, same } from "./law.ts"

type Both = EventStore | Projection

/** All that is stored of a domain, by few at a time. */
const storedOf = Effect.fnUntraced(function* (domain: string, limit = 2) {
  const projection = yield* Projection
  const all: Array<State> = []
  while (true) {
    const last = all.at(-1)
    const after: Ref | undefined = last === undefined ? undefined : { domain, type: last.type, key: last.key }
    const page = yield* projection.stored(domain, after, limit)
    assert.isAtMost(page.length, limit)
    if (page.length === 0) return all
    all.push(...page)
  }
})

const byText = (states: Iterable<State>) =>
  [...states].sort((a, b) => (refText(a) < refText(b) ? -1 : refText(a) > refText(b) ? 1 : 0))

const some = Effect.fnUntraced(function* () {
  const domain = fresh("projection")
  const refs = [refIn(domain, "a"), refIn(domain, "b"), refIn(domain, "c", "other"), refIn(domain, "d", "other")]
  yield* commit(
    domain,
    refs.map((ref) => job(ref, set({ of: ref.key })))
  )
  yield* commit(domain, [job(refs[1]!, del), job(refs[2]!, set({ again: true }))])
  return domain
})

export const laws: ReadonlyArray<Law<Both>> = [
  {
    name: "everything stored of a domain comes once, tombstones included and nothing of others, page after page",
    check: Effect.gen(function* () {
      const domain = yield* some()
      yield* append(`${domain}-2`, [{ key: "of another" }])
      const stored = yield* storedOf(domain)
      same(byText(stored), byText(fold(yield* logOf(domain)).values()), "what is stored")
      same(yield* storedOf(fresh("empty")), [], "a domain without events")
    })
  },
  {
    name: "entities are put to the states that are given, whatever is stored of them, and found as such",
    check: Effect.gen(function* () {
      const domain = yield* some()
      const store = yield* EventStore
      const projection = yield* Projection
      const right = [...fold(yield* logOf(domain)).values()]
      const wrong = right.map((state): State => ({ ...state, values: { wrong: true }, deleted: !state.deleted }))
      for (const states of [wrong, right]) {
        yield* projection.restate(domain, states, [])
        for (const state of states) same(yield* store.state(state), state, "the state")
        for (const type of ["thing", "other"]) {
          const expected = byText(states.filter((state) => state.type === type && !state.deleted))
          same((yield* entitiesOf(domain, type)).map(entityOf), expected.map(entityOf), "the entities that exist")
        }
      }
    })
  },
  {
    name: "what is gone is stored no more, and what was not there can be put there",
    check: Effect.gen(function* () {
      const domain = yield* some()
      const projection = yield* Projection
      const before = byText(yield* storedOf(domain))
      const stranger: State = { ...refIn(domain, "stranger"), values: { n: 1 }, version: 7n, deleted: false }
      yield* projection.restate(domain, [stranger], [refIn(domain, "a")])
      same(
        byText(yield* storedOf(domain)),
        byText([...before.slice(0, 1), stranger, ...before.slice(1)].filter((state) => state.key !== "a")),
        "with a stranger"
      )
      yield* projection.restate(domain, before, [stranger])
      same(byText(yield* storedOf(domain)), before, "as before")
    })
  },
  {
    name: "commits go on from what was put right",
    check: Effect.gen(function* () {
      const domain = yield* some()
      const projection = yield* Projection
      const right = [...fold(yield* logOf(domain)).values()]
      yield* projection.restate(domain, [{ ...right[0]!, values: { wrong: true } }], [right[3]!])
      yield* projection.restate(domain, right, [])
      const { events } = yield* commit(domain, [
        job(refIn(domain, "a"), set({ n: 2 })),
        job(refIn(domain, "d", "other"), set({}))
      ])
      same(
        events.map(({ entity }) => entity.version),
        [2n, 2n],
        "the versions"
      )
      same(byText(yield* storedOf(domain)), byText(fold(yield* logOf(domain)).values()), "what is stored")
    })
  }
]

export const contract = (name: string, layer: Layer.Layer<Both, unknown>): void => {
  register(`Projection contract (${name})`, laws, layer)
}
