import { expect, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { TestClock } from "effect/testing"
import * as Inmem from "../../adapters/channel/inmem/channel.ts"
import * as Memory from "../../adapters/storage/memory/store.ts"
import { Committer } from "../../application/committer.ts"
import { History } from "../../application/history.ts"
import { parseQuery, parseSort } from "../../domain/query.ts"
import { itemsOf } from "../contract/event-store/searching.ts"
import { deleting, range, setting } from "./samples.ts"

const gateway = Layer.merge(History.layer, Committer.layer).pipe(Layer.provide(Layer.merge(Memory.layer, Inmem.layer)))
const submit = (job: ReturnType<typeof setting>) =>
  Effect.flatMap(Committer, (committer) => Effect.map(committer.submit(job), ({ events }) => events[0]!))
const ref = { domain: "d", type: "t", key: "a" }

const search = (filter: string, more: { min?: bigint; max?: bigint; limit?: number; offset?: number } = {}) => {
  const [query, order] = [parseQuery(filter, "event"), parseSort("", false, "event")]
  if (!query.ok || !order.ok) throw new Error("the test has a bad query")
  const asked = {
    domain: "d",
    type: "t",
    query: query.query,
    order: order.order,
    min: 0n,
    max: 0n,
    limit: 100,
    offset: 0
  }
  return Effect.map(
    Effect.flatMap(History, (history) => history.search({ ...asked, ...more })),
    itemsOf
  )
}

it.effect("an event is found by its id, under its own entity alone, deletions included", () =>
  Effect.gen(function* () {
    const { event } = yield* History
    const made = yield* submit(setting("d", "a", { n: 1 }))
    const deleted = yield* submit(deleting("d", "a"))
    yield* submit(setting("d", "b"))
    expect(yield* event(ref, made.id)).toEqual(made)
    expect(yield* event(ref, deleted.id)).toEqual(deleted)
    for (const other of [
      { ...ref, key: "b" },
      { ...ref, type: "u" },
      { ...ref, domain: "e" }
    ]) {
      expect(yield* Effect.flip(event(other, made.id))).toMatchObject({ _tag: "NotFound" })
    }
    expect(yield* Effect.flip(event(ref, crypto.randomUUID()))).toMatchObject({ _tag: "NotFound" })
  }).pipe(Effect.provide(gateway))
)

it.effect("events are found between two times, neither of them included, in order, by page", () =>
  Effect.gen(function* () {
    const events = []
    for (const n of range(10)) {
      yield* TestClock.adjust("1 second")
      events.push(yield* submit(setting("d", `${n}`, { n })))
    }
    yield* submit(setting("e", "other"))
    expect(yield* search("")).toEqual(events)
    expect(yield* search("", { min: events[2]!.time, max: events[7]!.time })).toEqual(events.slice(3, 7))
    expect(yield* search("", { min: events[2]!.time - 1n, max: events[7]!.time + 1n })).toEqual(events.slice(2, 8))
    expect(yield* search('{"entity.values.n":{"$gte":4}}', { limit: 2, offset: 1 })).toEqual(events.slice(5, 7))
  }).pipe(Effect.provide(gateway))
)
