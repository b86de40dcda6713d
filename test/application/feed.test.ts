import { describe, expect, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { Feed } from "../../application/feed/feed.ts"
import { Tail, TailBudget } from "../../application/feed/tail.ts"
import { headsPollWideMs, heartbeatMs, tailBytesMax, tailEventsMax } from "../../application/limits.ts"
import { methods } from "../../domain/event.ts"
import { beginning, keysOf, leaving, numbered, open, resumingAfter, taken, World, write } from "./feed-world.ts"
import { settle } from "./gated-store.ts"
import { range } from "./samples.ts"

/** Each test has a world of its own. */
const inWorld =
  <A, E>(body: (world: World) => Effect.Effect<A, E, never>) =>
  () =>
    Effect.suspend(() => body(new World()))
const within = (world: World) => Effect.provide(world.layer)

describe("a stream", () => {
  it.effect(
    "from now brings what is committed from then on",
    inWorld((world) =>
      Effect.gen(function* () {
        yield* write("d", ["old"])
        const stream = yield* open("d")
        expect(yield* taken(stream)).toEqual([])
        yield* write("d", ["a", "b"])
        yield* write("other", ["x"])
        expect(keysOf(yield* taken(stream))).toEqual(["a", "b"])
        expect(world.calls.read).toBe(0)
      }).pipe(Effect.scoped, within(world))
    )
  )

  it.effect(
    "from the beginning brings everything, then goes on",
    inWorld((world) =>
      Effect.gen(function* () {
        yield* write("d", numbered(1500))
        const stream = yield* open("d", beginning)
        expect(keysOf(yield* taken(stream))).toEqual(numbered(1500))
        yield* write("d", ["next"])
        expect(keysOf(yield* taken(stream))).toEqual(["next"])
      }).pipe(Effect.scoped, within(world))
    )
  )

  it.effect(
    "since a time brings the event at that time and all after it",
    inWorld((world) =>
      Effect.gen(function* () {
        yield* write("d", numbered(20))
        yield* write("e", numbered(5))
        const log = world.memory.log("d")
        for (const i of [0, 1, 7, 19]) {
          const found = yield* leaving(Effect.flatMap(open("d", { _tag: "Since", time: log[i]!.time }), taken))
          expect(keysOf(found)).toEqual(numbered(20 - i, i))
        }
        const none = yield* leaving(Effect.flatMap(open("d", { _tag: "Since", time: log[19]!.time + 1n }), taken))
        expect(none).toEqual([])
        const all = yield* leaving(Effect.flatMap(open("?", { _tag: "Since", time: -1n }), taken))
        expect(keysOf(all, "e")).toEqual(numbered(5))
      }).pipe(Effect.scoped, within(world))
    )
  )

  it.effect(
    "goes on from any cursor that it gave, its first one included",
    inWorld((world) =>
      Effect.gen(function* () {
        yield* write("d", ["old"])
        const stream = yield* open("?")
        yield* write("d", numbered(4))
        yield* write("e", numbered(3))
        yield* write("d", numbered(2, 4))
        const items = yield* taken(stream)
        expect(items).toHaveLength(9)
        for (const [i, cursor] of [stream.cursor, ...items.map((item) => item.cursor)].entries()) {
          const rest = yield* leaving(Effect.flatMap(open("?", resumingAfter(cursor)), taken))
          for (const domain of ["d", "e"]) {
            expect(keysOf(rest, domain)).toEqual(keysOf(items.slice(i), domain))
          }
        }
      }).pipe(Effect.scoped, within(world))
    )
  )

  it.effect(
    "is joined by domains that are born later, and reads them whole",
    inWorld((world) =>
      Effect.gen(function* () {
        const wide = yield* open("n*")
        const narrow = yield* open("new")
        yield* write("new", ["a", "b"])
        yield* write("other", ["x"])
        expect(keysOf(yield* taken(wide))).toEqual(["a", "b"])
        expect(keysOf(yield* taken(narrow))).toEqual(["a", "b"])
        world.carry = () => []
        yield* write("newer", ["c"])
        expect(yield* taken(wide)).toEqual([])
        yield* TestClock.adjust(headsPollWideMs * 1.3)
        expect(keysOf(yield* taken(wide))).toEqual(["c"])
      }).pipe(Effect.scoped, within(world))
    )
  )

  it.effect(
    "passes over what its type and key do not cover, and its cursor with it",
    inWorld((world) =>
      Effect.gen(function* () {
        const stream = yield* open("d/order*/[ab]")
        yield* write("d", ["a", "b", "c"], "orders")
        yield* write("d", ["a", "b"], "users")
        expect(keysOf(yield* taken(stream))).toEqual(["a", "b"])
        yield* write("d", numbered(2000), "users")
        const pull = yield* Effect.forkChild(stream.pull)
        yield* settle
        yield* TestClock.adjust(heartbeatMs)
        const [heartbeat] = yield* Fiber.join(pull)
        expect(heartbeat).toEqual({ cursor: expect.any(String) })
        const start = resumingAfter(heartbeat!.cursor)
        expect(start.cursor.positions.get("d")?.position).toBe(2005n)
        const { read } = world.calls
        expect(yield* leaving(Effect.flatMap(open("d/order*/[ab]", start), taken))).toEqual([])
        expect(world.calls.read).toBe(read + 1) // the check of the cursor's place, and nothing behind it
      }).pipe(Effect.scoped, within(world))
    )
  )

  it.effect(
    "says after a silence where it stands, again and again",
    inWorld((world) =>
      Effect.gen(function* () {
        yield* write("d", ["a"])
        const stream = yield* open("d")
        for (const _ of range(3)) {
          const pull = yield* Effect.forkChild(stream.pull)
          yield* settle
          yield* TestClock.adjust(heartbeatMs - 1)
          expect(pull.pollUnsafe()).toBeUndefined()
          yield* TestClock.adjust(1)
          expect(yield* Fiber.join(pull)).toEqual([{ cursor: stream.cursor }])
        }
      }).pipe(Effect.scoped, within(world))
    )
  )
})

describe("many streams", () => {
  it.effect(
    "all wake on one event, without any reading",
    inWorld((world) =>
      Effect.gen(function* () {
        const streams = yield* Effect.forEach(range(300), (i) => open(i % 2 === 0 ? "d" : "*"))
        const pulls = yield* Effect.forEach(streams, ({ pull }) => Effect.forkChild(pull, { startImmediately: true }))
        yield* write("d", ["a"])
        for (const items of yield* Fiber.joinAll(pulls)) expect(keysOf(items)).toEqual(["a"])
        expect(world.calls.read).toBe(0)
      }).pipe(Effect.scoped, within(world))
    )
  )

  it.effect(
    "are not held up by one that does not pull, and that one misses nothing when it does",
    inWorld((world) =>
      Effect.gen(function* () {
        const slow = yield* open("d")
        const quick = yield* open("d")
        const seen: Array<string> = []
        for (const i of range(9)) {
          yield* write("d", numbered(1000, i * 1000))
          seen.push(...keysOf(yield* taken(quick)))
        }
        expect(seen).toEqual(numbered(9000))
        expect(world.calls.read).toBe(0)
        expect(keysOf(yield* taken(slow))).toEqual(numbered(9000))
        expect(world.calls.read).toBeGreaterThan(0)
        expect(world.calls.read).toBeLessThan(9000 / 400)
      }).pipe(Effect.scoped, within(world))
    )
  )

  it.effect(
    "end when the gateway drains, and no new ones are taken",
    inWorld((world) =>
      Effect.gen(function* () {
        const waiting = yield* open("d")
        const idle = yield* open("*")
        const pull = yield* Effect.forkChild(waiting.pull, { startImmediately: true })
        yield* (yield* Feed).drain
        for (const end of [Fiber.join(pull), waiting.pull, idle.pull, Effect.asVoid(open("d"))]) {
          expect(yield* Effect.flip(Effect.asVoid(end))).toMatchObject({
            _tag: "Draining",
            message: /shutting down/
          })
        }
      }).pipe(Effect.scoped, within(world))
    )
  )

  it.effect(
    "leave nothing behind: the heads are looked at only while somebody streams",
    inWorld((world) =>
      Effect.gen(function* () {
        yield* leaving(
          Effect.gen(function* () {
            yield* open("d")
            yield* open("*")
            yield* TestClock.adjust("10 seconds")
            expect(world.calls.movedSince).toBeGreaterThan(5)
          })
        )
        yield* TestClock.adjust("2 seconds")
        const { movedSince } = world.calls
        yield* write("d", numbered(10))
        yield* TestClock.adjust("1 hour")
        expect(world.calls.movedSince).toBe(movedSince)
        const stream = yield* open("d", beginning)
        expect(keysOf(yield* taken(stream))).toEqual(numbered(10))
      }).pipe(Effect.scoped, within(world))
    )
  )
})

const append = (tail: Tail, i: number, value: string) => {
  const entity = { domain: "d", type: "t", key: `${i}`, values: { v: value }, version: 1n }
  const position = BigInt(i) + 1n
  tail.append({ id: `${i}`, position, time: position, method: methods.set, entity, claims: {}, erased: false })
}
const emptyTail = (budget: TailBudget) => new Tail("d", "0123456789abcdef", 0n, "", budget)

it("a tail gives back what it held of the common budget", () => {
  const budget = new TailBudget()
  const tail = emptyTail(budget)
  for (const i of range(tailEventsMax + 1)) append(tail, i, "x")
  // Values and claims are small here; what events take beside them counts as well.
  expect(budget.bytes).toBeGreaterThan(500 * Number(tail.head - tail.start))
  expect(tail.after(tail.start - 1n, 10)).toBeUndefined()
  expect(tail.after(tail.start, 2)!.map(({ position }) => position)).toEqual([tail.start + 1n, tail.start + 2n])
  tail.close()
  expect(budget.bytes).toBe(0)
})

it("a tail that is busy keeps its events where quiet ones have used up the common budget", () => {
  const budget = new TailBudget()
  const large = "x".repeat(tailBytesMax / 16)
  const [quiet, quieter, busy] = [emptyTail(budget), emptyTail(budget), emptyTail(budget)]
  for (const i of range(8)) append(quieter, i, large)
  for (const i of range(7)) append(quiet, i, large)
  for (const i of range(6)) append(busy, i, large)
  expect(busy.start).toBe(0n)
  expect(quiet.start).toBe(0n)
  expect(quieter.start).toBeGreaterThan(0n)
  expect(budget.bytes).toBeLessThanOrEqual(tailBytesMax)
  for (const tail of [quiet, quieter, busy]) tail.close()
  expect(budget.bytes).toBe(0)
})
