// What one gateway has done or shown, the other shows.

import { Effect } from "effect"
import { assert } from "vitest"
import { fresh, type Law, same } from "../law.ts"
import { Gateways, on, type Store } from "./gateways.ts"
import { newestOf } from "./heads.ts"
import { entitiesOf, eventsOf, globOf } from "./searching.ts"
import { append, commit, del, entityOf, job, logOf, refIn, set } from "./writing.ts"

/** Does the work while it follows along, again and again, and once more at the end. */
const during = <E, E2, R, R2>(work: Effect.Effect<unknown, E, R>, follow: Effect.Effect<unknown, E2, R2>) =>
  Effect.suspend(() => {
    let isDone = false
    const finished = Effect.ensuring(
      work,
      Effect.sync(() => {
        isDone = true
      })
    )
    const following = Effect.gen(function* () {
      for (let last = false; !last; yield* Effect.yieldNow) {
        last = isDone
        yield* follow
      }
    })
    return Effect.all([finished, following], { concurrency: 2 })
  })

const acknowledged: Law<Gateways> = {
  name: "every read on one gateway sees a commit that succeeded before it on the other",
  check: Effect.gen(function* () {
    const [one, other] = yield* Gateways
    const domain = fresh("reads")
    const ref = refIn(domain, "a")
    for (let n = 1n; n <= 12n; n++) {
      const [writer, reader] = n % 2n === 0n ? [one, other] : [other, one]
      const isDeleted = n % 4n === 0n
      const { head, events } = yield* commit(domain, [job(ref, isDeleted ? del : set({ n: Number(n) }))]).pipe(
        on(writer)
      )
      const made = events[0]!
      same(yield* reader.state(ref), { ...made.entity, deleted: isDeleted }, "state")
      same(yield* reader.version(ref, n), made, "version")
      same(yield* reader.event(ref, made.id), made, "event")
      same(yield* reader.read(domain, n - 1n, 10), [made], "read")
      same(yield* reader.heads(globOf(domain), 1), [head], "heads")
      const found = yield* entitiesOf(domain, "thing").pipe(on(reader))
      same(found.map(entityOf), isDeleted ? [] : [made.entity], "entities")
      same((yield* eventsOf(domain, "thing").pipe(on(reader))).at(-1), made, "events")
    }
  })
}

const shown: Law<Gateways> = {
  name: "what one gateway has shown of a commit, the other shows from then on",
  check: Effect.gen(function* () {
    const [one, other] = yield* Gateways
    const domain = fresh("shown")
    const ref = refIn(domain, "a")
    const version = (store: Store) => Effect.map(store.state(ref), (state) => state?.version ?? 0n)
    const length = (store: Store) => Effect.map(logOf(domain).pipe(on(store)), (log) => BigInt(log.length))
    const asked = [version, length].flatMap((first) => [version, length].map((then) => [first, then] as const))
    const compare = Effect.forEach(asked, ([first, then]) =>
      Effect.gen(function* () {
        for (const [here, there] of [
          [one, other],
          [other, one]
        ] as const) {
          const seen = yield* first(here)
          assert.isTrue((yield* then(there)) >= seen, "it has come as far")
        }
      })
    )
    yield* during(
      Effect.forEach(Array.from({ length: 20 }), (_, n) => commit(domain, [job(ref, set({ n }))]).pipe(on(one))),
      compare
    )
    assert.strictEqual(yield* length(other), 20n)
  })
}

const marks: Law<Gateways> = {
  name: "a change token of one gateway shows, on both, what either commits after it",
  check: Effect.gen(function* () {
    const gateways = yield* Gateways
    const domain = fresh("moved")
    for (let n = 0; n < 2; n++) {
      for (const marker of gateways) {
        for (const writer of gateways) {
          const { changeToken } = yield* marker.movedSince(undefined)
          const { head } = yield* commit(domain, [job(refIn(domain, "a"), set({ n }))]).pipe(on(writer))
          for (const reader of gateways)
            same(newestOf((yield* reader.movedSince(changeToken)).heads, domain), head, "the head that moved")
        }
      }
    }
  })
}

const followed: Law<Gateways> = {
  name: "who follows change tokens on one gateway misses nothing that the other commits meanwhile",
  check: Effect.gen(function* () {
    const [one, other] = yield* Gateways
    // Each moves once: what is missed then stays missed.
    const domains = Array.from({ length: 60 }, () => fresh("moved"))
    let { changeToken } = yield* one.movedSince(undefined)
    const seen = new Set<string>()
    yield* during(
      Effect.forEach(domains, (domain) => append(domain, [{ key: "a" }]).pipe(on(other)), {
        concurrency: Math.min(other.capacity.commits, 8)
      }),
      Effect.gen(function* () {
        const moved = yield* one.movedSince(changeToken)
        for (const { domain } of moved.heads) seen.add(domain)
        changeToken = moved.changeToken
      })
    )
    assert.deepStrictEqual(
      domains.filter((domain) => !seen.has(domain)),
      []
    )
  })
}

export const showing = [acknowledged, shown, marks, followed]
