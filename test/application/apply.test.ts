import { describe, expect } from "@effect/vitest"
import { Effect } from "effect"
import { apply, at, change, del, edit, one, revert, set, test } from "./entity-world.ts"
import { range } from "./samples.ts"

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
