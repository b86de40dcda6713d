// A page of the log may hold a single event, where each is as large as a page may be.

import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { beginning, keysOf, numbered, open, taken, World, write } from "./feed-world.ts"

const singly = () => {
  const world = new World()
  world.pageEventsMax = 1
  return world
}

describe("a log whose pages hold one event each", () => {
  it.effect("is read to its end by a stream from the beginning", () => {
    const world = singly()
    return Effect.gen(function* () {
      yield* write("d", numbered(5))
      const stream = yield* open("d", beginning)
      expect(keysOf(yield* taken(stream))).toEqual(numbered(5))
    }).pipe(Effect.scoped, Effect.provide(world.layer))
  })

  it.effect("gives a stream that reads along what the channel has lost", () => {
    const world = singly()
    return Effect.gen(function* () {
      yield* write("d", ["0"])
      const stream = yield* open("d")
      const carry = world.carry
      world.carry = () => []
      yield* write("d", numbered(4, 1))
      world.carry = carry
      yield* write("d", ["5"])
      expect(keysOf(yield* taken(stream))).toEqual(numbered(5, 1))
    }).pipe(Effect.scoped, Effect.provide(world.layer))
  })
})
