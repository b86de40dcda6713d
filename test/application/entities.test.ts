import { describe, expect, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { TestClock } from "effect/testing"
import * as Inmem from "../../adapters/channel/inmem/channel.ts"
import * as Memory from "../../adapters/storage/memory/store.ts"
import { Committer } from "../../application/committer.ts"
import { type AsOf, Entities, type Request } from "../../application/entities.ts"
import { History } from "../../application/history.ts"
import { EventStore } from "../../application/ports/EventStore.ts"
import type { Precondition } from "../../domain/command.ts"
import type { Event } from "../../domain/event.ts"
import type { JsonObject } from "../../domain/json.ts"
import { range } from "./samples.ts"

const ref = (key: string) => ({ domain: "d", type: "t", key })
const none: Precondition = { _tag: "None" }
const at = (version: bigint): Precondition => ({ _tag: "Versions", versions: [version] })

const set = (key: string, values: JsonObject, precondition: Precondition = none): Request => ({
  ref: ref(key),
  change: { _tag: "Set", values },
  precondition
})
const edit = (key: string, values: JsonObject, precondition: Precondition = none): Request => ({
  ref: ref(key),
  change: { _tag: "Edit", values },
  precondition
})
const del = (key: string, precondition: Precondition = none): Request => ({
  ref: ref(key),
  change: { _tag: "Del" },
  precondition
})
const revert = (key: string, { id }: { id: string }, precondition: Precondition = none): Request => ({
  ref: ref(key),
  change: { _tag: "RevertTo", eventId: id },
  precondition
})

const change = (request: Request, key?: string, hash = "h") =>
  Effect.flatMap(Entities, (entities) => entities.change(request, caller(key, hash)))
const apply = (requests: ReadonlyArray<Request>, key?: string) =>
  Effect.flatMap(Entities, (entities) => entities.apply("d", requests, caller(key, "h")))
const caller = (key: string | undefined, hash: string) => ({
  claims: { sub: "anna" },
  ...(key === undefined ? {} : { idempotency: { caller: "c", key, hash } })
})
const get = (key: string, asOf: AsOf = { _tag: "Now" }) =>
  Effect.flatMap(Entities, (entities) => entities.get(ref(key), asOf))
const version = (number: bigint): AsOf => ({ _tag: "Version", version: number })
const time = (nanoseconds: bigint): AsOf => ({ _tag: "Time", time: nanoseconds })
const one = (request: Request) => Effect.map(change(request), ({ events }) => events[0]!)
const notFound = (words: string) => ({ _tag: "NotFound", message: expect.stringContaining(words) })

/** Events that were erased meanwhile, by id. */
const erased = new Set<string>()
const erasing = Layer.effect(
  EventStore,
  Effect.map(EventStore, (store) => {
    const shown = (event: Event | undefined) =>
      event === undefined || !erased.has(event.id)
        ? event
        : { ...event, entity: { ...event.entity, values: {} }, claims: {}, erased: true }
    return EventStore.of({
      ...store,
      event: (ref, id) => Effect.map(store.event(ref, id), shown),
      version: (ref, number) => Effect.map(store.version(ref, number), shown)
    })
  })
).pipe(Layer.provide(Memory.layer))
const gateway = Layer.merge(Entities.layer, History.layer).pipe(
  Layer.provide(Committer.layer),
  Layer.provide(Layer.merge(erasing, Inmem.layer))
)
const test = (name: string, body: () => Effect.Effect<unknown, unknown, Entities | History>) =>
  it.effect(name, () => Effect.provide(body(), gateway))

describe("the state of an entity", () => {
  test("is what Set, Edit and Del made of it", () =>
    Effect.gen(function* () {
      expect(yield* Effect.flip(get("a"))).toEqual(notFound("does not exist"))
      yield* change(set("a", { x: 1, y: 1 }))
      yield* change(edit("a", { y: 2 }, at(1n)))
      expect(yield* get("a")).toMatchObject({ ...ref("a"), values: { x: 1, y: 2 }, version: 2n })
      expect(yield* Effect.flip(change(del("a", at(1n))))).toMatchObject({ _tag: "Conflict", current: 2n })
      yield* change(del("a", at(2n)))
      expect(yield* Effect.flip(get("a"))).toEqual(notFound("does not exist"))
      yield* change(edit("a", { z: 1 }, at(3n)))
      expect(yield* get("a")).toMatchObject({ values: { z: 1 }, version: 4n })
    }))

  test("as of a version is what it was then", () =>
    Effect.gen(function* () {
      yield* change(set("a", { n: 1 }))
      yield* change(set("a", { n: 2 }))
      yield* change(del("a"))
      yield* change(set("a", { n: 4 }))
      for (const n of [1, 2, 4]) {
        expect(yield* get("a", version(BigInt(n)))).toMatchObject({ values: { n }, version: BigInt(n) })
      }
      for (const n of [3n, 5n, 0n, -1n, 2n ** 64n]) {
        expect(yield* Effect.flip(get("a", version(n)))).toEqual(notFound("then"))
      }
      expect(yield* Effect.flip(get("b", version(1n)))).toEqual(notFound("then"))
    }))

  test("as of a time is what it was then, for any number of versions", () =>
    Effect.gen(function* () {
      const times: Array<bigint> = []
      for (const n of range(9)) {
        yield* TestClock.adjust("1 second")
        times.push((yield* one(n === 5 ? del("a") : set("a", { n }))).time)
        expect(times).toEqual(range(n + 1).map((i) => BigInt(i + 1) * 1_000_000_000n))
        yield* one(set("b", { n }))
        for (const [i, then] of times.entries()) {
          for (const asked of [then, then + 1n, i === n ? then : times[i + 1]! - 1n]) {
            if (asked > times[n]!) continue
            if (i === 5) expect(yield* Effect.flip(get("a", time(asked)))).toEqual(notFound("then"))
            else expect(yield* get("a", time(asked))).toMatchObject({ values: { n: i }, version: BigInt(i) + 1n })
          }
        }
      }
      for (const asked of [0n, -5n, times[0]! - 1n]) {
        expect(yield* Effect.flip(get("a", time(asked)))).toEqual(notFound("then"))
      }
      expect(yield* Effect.flip(get("never", time(times[3]!)))).toEqual(notFound("then"))
    }))

  test("as of a time that is still to come is invalid", () =>
    Effect.gen(function* () {
      yield* TestClock.adjust("1 second")
      yield* change(set("a", {}))
      yield* get("a", time(1_000_000_000n))
      for (const asked of [1_000_000_001n, 2n ** 63n]) {
        expect(yield* Effect.flip(get("a", time(asked)))).toEqual({
          _tag: "Invalid",
          violations: [{ field: "time", rule: "must not be in the future" }]
        })
      }
    }))

  test("that was erased is said to be, as of a version and as of a time", () =>
    Effect.gen(function* () {
      const event = yield* one(set("a", { secret: 1 }))
      yield* TestClock.adjust("1 second")
      yield* change(set("a", {}))
      erased.add(event.id)
      expect(yield* Effect.flip(get("a", version(1n)))).toEqual({ _tag: "Erased" })
      expect(yield* Effect.flip(get("a", time(event.time)))).toEqual({ _tag: "Erased" })
      yield* get("a", version(2n))
    }))
})

describe("Revert", () => {
  test("makes the values of an event current again, as a new event", () =>
    Effect.gen(function* () {
      const first = yield* one(set("a", { n: 1 }))
      yield* change(set("a", { n: 2 }))
      const event = yield* one(revert("a", first, at(2n)))
      expect(event).toMatchObject({
        method: "/stategate.EntityService/Revert",
        position: 3n,
        entity: { values: { n: 1 }, version: 3n },
        claims: { sub: "anna" }
      })
      expect(event.id).not.toBe(first.id)
    }))

  test("brings a deleted entity back, from an event before its deletion or from the deletion itself", () =>
    Effect.gen(function* () {
      const first = yield* one(set("a", { n: 1 }))
      yield* change(set("a", { n: 2 }))
      const deleted = yield* one(del("a"))
      expect((yield* one(revert("a", first, at(3n)))).entity).toMatchObject({ values: { n: 1 }, version: 4n })
      expect((yield* one(revert("a", deleted))).entity).toMatchObject({ values: { n: 2 }, version: 5n })
    }))

  test("finds no event of another entity, nor one that never was", () =>
    Effect.gen(function* () {
      const other = yield* one(set("b", { n: 1 }))
      yield* change(set("a", {}))
      for (const target of [other, { id: crypto.randomUUID() }]) {
        expect(yield* Effect.flip(change(revert("a", target)))).toEqual(notFound("no such event"))
      }
      expect(yield* get("a")).toMatchObject({ version: 1n })
    }))

  test("to what was erased is refused", () =>
    Effect.gen(function* () {
      const first = yield* one(set("a", { n: 1 }))
      yield* change(set("a", {}))
      erased.add(first.id)
      expect(yield* Effect.flip(change(revert("a", first)))).toEqual({ _tag: "Erased" })
      expect(yield* Effect.flip(apply([set("b", {}), revert("a", first)]))).toEqual({ _tag: "Erased" })
      expect(yield* Effect.flip(get("b"))).toEqual(notFound("does not exist"))
    }))
})

describe("Apply", () => {
  test("does all of its commands in order, Reverts among them", () =>
    Effect.gen(function* () {
      const first = yield* one(set("a", { n: 1 }))
      const { events } = yield* apply([
        set("a", { n: 2 }),
        edit("a", { m: 3 }, at(2n)),
        revert("a", first, at(3n)),
        del("a")
      ])
      expect(events.map(({ entity, method }) => [method.split("/")[2], entity.version, entity.values])).toEqual([
        ["Set", 2n, { n: 2 }],
        ["Edit", 3n, { n: 2, m: 3 }],
        ["Revert", 4n, { n: 1 }],
        ["Del", 5n, { n: 1 }]
      ])
      expect(events.map(({ position }) => position)).toEqual([2n, 3n, 4n, 5n])
    }))

  test("does nothing when one of them is refused, and names it", () =>
    Effect.gen(function* () {
      const missing = revert("b", { id: crypto.randomUUID() })
      for (const [index, requests] of [
        [1, [set("a", {}), set("b", {}, at(7n))]],
        [2, [set("a", {}), set("b", {}), del("c")]],
        [1, [set("a", {}), missing]]
      ] as const) {
        expect(yield* Effect.flip(apply(requests))).toMatchObject({
          message: expect.stringMatching(new RegExp(`^commands\\[${index}\\]: `))
        })
      }
      expect((yield* one(set("a", {}))).position).toBe(1n)
    }))
})

describe("a retry with its key", () => {
  test("answers what it answered first, for every kind of call, and makes no event", () =>
    Effect.gen(function* () {
      const first = yield* one(set("a", { n: 1 }))
      for (const [i, request] of [
        set("a", { n: 2 }, at(1n)),
        edit("a", { m: 1 }, at(2n)),
        revert("a", first, at(3n)),
        del("a", at(4n)),
        revert("a", first, at(5n))
      ].entries()) {
        const done = yield* change(request, `key ${i}`)
        expect(done.replayed).toBe(false)
        expect(yield* change(request, `key ${i}`)).toMatchObject({ events: done.events, replayed: true })
        expect(yield* Effect.flip(change(request, `key ${i}`, "other"))).toEqual({ _tag: "KeyReused" })
      }
      expect((yield* one(set("b", {}))).position).toBe(7n)
    }))

  test("of an Apply answers all of its events", () =>
    Effect.gen(function* () {
      const requests = [set("a", { n: 1 }), del("a"), set("b", {})]
      const done = yield* apply(requests, "k")
      yield* change(set("a", { n: 5 }))
      expect(yield* apply(requests, "k")).toMatchObject({ events: done.events, replayed: true })
    }))

  test("of a call that was refused is a first call", () =>
    Effect.gen(function* () {
      yield* Effect.flip(change(del("a"), "k"))
      expect(yield* change(set("a", {}), "k", "other")).toMatchObject({ replayed: false })
    }))

  test("many at once make one event", () =>
    Effect.gen(function* () {
      const all = yield* Effect.all(
        range(20).map(() => change(set("a", {}), "k")),
        { concurrency: "unbounded" }
      )
      expect(all.filter(({ replayed }) => !replayed)).toHaveLength(1)
      expect(new Set(all.map(({ events }) => events[0]!.id)).size).toBe(1)
    }))
})
