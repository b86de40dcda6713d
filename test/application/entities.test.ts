import { describe, expect } from "@effect/vitest"
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import {
  apply,
  at,
  change,
  del,
  edit,
  erased,
  get,
  notFound,
  one,
  ref,
  revert,
  set,
  test,
  time,
  version
} from "./entity-world.ts"
import { range } from "./samples.ts"

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

  test("as of a time that came with an event is answered, although the clock went back since", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(3_600_000)
      yield* change(set("a", { n: 1 }))
      yield* TestClock.setTime(1_000)
      yield* change(set("a", { n: 2 }))
      const last = yield* one(set("a", { n: 3 }))
      expect(last.time).toBe(3_600_000_000_002n)
      expect(yield* get("a", time(last.time))).toMatchObject({ values: { n: 3 } })
      expect(yield* get("a", time(last.time - 1n))).toMatchObject({ values: { n: 2 } })
      expect(yield* Effect.flip(get("a", time(last.time + 1n)))).toMatchObject({ _tag: "Invalid" })
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
