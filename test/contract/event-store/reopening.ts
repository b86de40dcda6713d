// What is left after the store was closed: everything.

import { Effect, type Layer } from "effect"
import { assert } from "vitest"
import { EventStore } from "../../../application/ports/EventStore.ts"
import { fresh, type Law, same } from "../law.ts"
import { entitiesOf, globOf } from "./searching.ts"
import { append, commit, del, entityOf, job, logOf, refIn, set } from "./writing.ts"

/** Opens a store that outlives the scope in which it is open; always the same one. */
export type Open = () => Layer.Layer<EventStore, unknown>

const during = <A, E>(open: Open, use: Effect.Effect<A, E, EventStore>) => Effect.provide(use, open(), { local: true })

/** Laws of durable stores. They open the store themselves, since only then can they close it. */
export const reopening = (open: Open): ReadonlyArray<Law<never>> => [
  {
    name: "everything is there after the store was closed and opened again",
    check: Effect.gen(function* () {
      const domain = fresh("reopen")
      const idempotency = { caller: "me", key: "once", hash: "h" }
      const retried = job(refIn(domain, "b"), set({ b: 1 }), { idempotency, claims: { sub: "me" } })
      const before = yield* during(
        open,
        Effect.gen(function* () {
          yield* commit(domain, [job(refIn(domain, "a"), set({ a: 1 })), retried, job(refIn(domain, "c"), set({}))])
          return yield* commit(domain, [job(refIn(domain, "c"), del)])
        })
      )
      for (let time = 0; time < 2; time++) {
        yield* during(
          open,
          Effect.gen(function* () {
            const store = yield* EventStore
            same((yield* store.heads(globOf(domain), 1))[0], before.head, "the head, incarnation included")
            const log = yield* logOf(domain)
            assert.strictEqual(log.length, 4)
            same(log.at(-1), before.events[0], "the last event")
            same((yield* store.state(refIn(domain, "a")))?.values, { a: 1 }, "an entity")
            assert.strictEqual((yield* store.state(refIn(domain, "c")))?.deleted, true, "a tombstone")
            for (const event of log) {
              same(yield* store.version(event.entity, event.entity.version), event, "a version")
              same(yield* store.event(event.entity, event.id), event, "an event")
            }
            same(
              (yield* entitiesOf(domain, "thing")).map(entityOf),
              log.slice(0, 2).map(({ entity }) => entity),
              "entities"
            )
            const again = yield* commit(domain, [retried])
            same(again.outcomes, [{ _tag: "Done", events: [log[1]], replayed: true }], "a retry")
          })
        )
      }
    })
  },
  {
    name: "a log goes on where it was when the store is opened again, and change tokens stay good",
    check: Effect.gen(function* () {
      const [domain, quiet] = [fresh("reopen"), fresh("reopen")]
      const time = 2n ** 62n + 1n
      const { changeToken, first } = yield* during(
        open,
        Effect.gen(function* () {
          yield* append(quiet, [{ key: "a" }])
          const first = yield* append(domain, [{ key: "a", time }])
          return { changeToken: (yield* (yield* EventStore).movedSince(undefined)).changeToken, first }
        })
      )
      yield* during(
        open,
        Effect.gen(function* () {
          const second = yield* append(domain, [{ key: "a" }])
          same(
            second.map((event) => [event.position, event.time, event.entity.version]),
            [[2n, time + 1n, 2n]],
            "the event"
          )
          same(yield* logOf(domain), [...first, ...second], "the log")
          const { heads } = yield* (yield* EventStore).movedSince(changeToken)
          assert.include(
            heads.map((head) => head.domain),
            domain
          )
          assert.strictEqual((yield* append(quiet, [{ key: "a" }]))[0]?.position, 2n)
        })
      )
    })
  }
]
