// What reads answer: nothing for what is not there, and everything that a commit made from the moment it succeeded.

import { Effect } from "effect"
import { assert } from "vitest"
import { EventStore } from "../../../application/ports/EventStore.ts"
import { methods } from "../../../domain/event.ts"
import { fresh, type Law, same } from "../law.ts"
import { entitiesOf, eventsOf, globOf } from "./searching.ts"
import { append, commit, del, entityOf, job, logOf, refIn, set } from "./writing.ts"

const empty: Law<EventStore> = {
  name: "what is not there reads as nothing",
  check: Effect.gen(function* () {
    const store = yield* EventStore
    const absent = refIn(fresh("absent"), "a")
    const id = crypto.randomUUID()
    const present = refIn(fresh("present"), "a")
    yield* append(present.domain, [{ key: "a" }])
    for (const ref of [absent, { ...present, key: "b" }, { ...present, type: "other" }]) {
      same(yield* store.state(ref), undefined, "state")
      for (const version of [0n, 1n, 2n, 2n ** 63n - 1n]) same(yield* store.version(ref, version), undefined, "version")
      same(yield* store.event(ref, id), undefined, "event")
    }
    same(yield* store.read(absent.domain, 0n, 10), [], "read")
    same(yield* store.read(absent.domain, 7n, 10), [], "read after a position")
    same(yield* entitiesOf(absent.domain, "thing"), [], "entities")
    same(yield* eventsOf(absent.domain, "thing"), [], "events")
    same(yield* entitiesOf(present.domain, "other"), [], "entities of a type that nobody used")
    same(yield* eventsOf(present.domain, "other"), [], "events of a type that nobody used")
    same(yield* store.heads(globOf(absent.domain), 10), [], "heads of a domain by name")
    same(yield* store.heads(globOf(`${absent.domain}*`), 10), [], "heads by glob")
  })
}

const ownCommits: Law<EventStore> = {
  name: "every read sees a commit that succeeded before it",
  check: Effect.gen(function* () {
    const store = yield* EventStore
    const domain = fresh("reads")
    const ref = refIn(domain, "a")
    for (let n = 1n; n <= 10n; n++) {
      const change = n % 4n === 0n ? del : set({ n: Number(n) })
      const { head, events } = yield* commit(domain, [job(ref, change)])
      const made = events[0]!
      const state = { ...made.entity, deleted: n % 4n === 0n }
      same(yield* store.state(ref), state, "state")
      same(yield* store.version(ref, n), made, "version")
      same(yield* store.event(ref, made.id), made, "event")
      same(yield* store.read(domain, n - 1n, 10), [made], "read")
      same(yield* store.heads(globOf(domain), 1), [head], "heads")
      same((yield* entitiesOf(domain, "thing")).map(entityOf), state.deleted ? [] : [made.entity], "entities")
      same((yield* eventsOf(domain, "thing")).at(-1), made, "events")
    }
  })
}

const versions: Law<EventStore> = {
  name: "version answers the event that made it, for deletions as well, and nothing beyond",
  check: Effect.gen(function* () {
    const store = yield* EventStore
    const domain = fresh("versions")
    const [ref, other] = [refIn(domain, "a"), refIn(domain, "b")]
    const changes = [set({ n: 1 }), del, set({ n: 3 }), set({ n: 4 }), del]
    const { events } = yield* commit(
      domain,
      changes.flatMap((change) => [job(ref, change), job(other, change)])
    )
    for (const wanted of [ref, other]) {
      const own = events.filter(({ entity }) => entity.key === wanted.key)
      assert.strictEqual(own.length, changes.length)
      for (const event of own) same(yield* store.version(wanted, event.entity.version), event, "version")
      for (const version of [0n, 6n, 2n ** 62n, 2n ** 63n - 1n, 2n ** 63n, 2n ** 64n - 1n])
        same(yield* store.version(wanted, version), undefined, `version ${version}`)
    }
    same(own(yield* store.version(ref, 2n)), [methods.del, { n: 1 }, 2n], "a deletion holds what it deleted")
  })
}

const own = (event: { method: string; entity: { values: unknown; version: bigint } } | undefined) =>
  event === undefined ? event : [event.method, event.entity.values, event.entity.version]

const eventOfRef: Law<EventStore> = {
  name: "an event is found under its own ref alone",
  check: Effect.gen(function* () {
    const store = yield* EventStore
    const [domain, elsewhere] = [fresh("events"), fresh("events")]
    const ref = refIn(domain, "a")
    const strangers = [
      { ...ref, key: "b" },
      { ...ref, type: "other" },
      { ...ref, domain: elsewhere }
    ]
    const made = yield* append(domain, [{ key: "a" }, { key: "a" }, { key: "b" }, { key: "a", type: "other" }])
    yield* append(elsewhere, [{ key: "a" }])
    for (const event of made.slice(0, 2)) {
      same(yield* store.event(ref, event.id), event, "its own")
      for (const stranger of strangers) same(yield* store.event(stranger, event.id), undefined, "another's")
    }
    same(yield* store.event(ref, made[2]!.id), undefined, "the event of another key")
    same(yield* store.event(ref, crypto.randomUUID()), undefined, "nobody's event")
  })
}

const pages: Law<EventStore> = {
  name: "pages of the log make up the log",
  check: Effect.gen(function* () {
    const store = yield* EventStore
    const domain = fresh("pages")
    const events = yield* append(
      domain,
      Array.from({ length: 23 }, (_, n) => ({ key: `k${n % 3}`, values: { n } }))
    )
    for (const limit of [1, 2, 7, 22, 23, 24, 1000]) same(yield* logOf(domain, limit), events, `in pages of ${limit}`)
    same(yield* store.read(domain, 10n, 5), events.slice(10, 15), "from the middle")
    for (const after of [23n, 24n, 1000n, 2n ** 62n]) same(yield* store.read(domain, after, 5), [], "behind the head")
  })
}

const largePages: Law<EventStore> = {
  name: "a log of large events can be read to its end",
  check: Effect.gen(function* () {
    const domain = fresh("large")
    const all = []
    for (let n = 0; n < 5; n++)
      all.push(...(yield* append(domain, [{ key: "a", values: { n, text: "x".repeat(1e6) } }])))
    same(yield* logOf(domain), all, "the log")
  })
}

export const reads = [empty, ownCommits, versions, eventOfRef, pages, largePages]
