import { it as effectIt } from "@effect/vitest"
import { Clock, Effect, Fiber } from "effect"
import { describe, expect, it, vi } from "vitest"
import { type Lane, StreamScheduler, TimeSlices } from "../../application/feed/scheduler.ts"
import {
  sliceEventsMax,
  sliceEventsMin,
  streamRestTurns,
  streamSliceMs,
  streamTurnMs
} from "../../application/limits.ts"
import { beginning, keysOf, numbered, open, World, write } from "./feed-world.ts"
import { settle } from "./gated-store.ts"
import { range } from "./samples.ts"

/** An event loop whose turns the test takes, and whose clock moves only where work says what it costs. */
class Loop {
  now = 0
  /** For each turn that was taken: who ran, and the milliseconds that they used. */
  readonly turns: Array<{ readonly ran: Array<string>; ms: number }> = [{ ran: [], ms: 0 }]
  #next: Array<() => void> = []
  readonly scheduler = new StreamScheduler({ now: () => this.now, nextTurn: (run) => void this.#next.push(run) })

  /** Work of a stream that takes so long. */
  work(name: string, ms: number): void {
    this.now += ms
    const turn = this.turns.at(-1)!
    turn.ran.push(name)
    turn.ms += ms
  }

  turn(): void {
    const due = this.#next
    this.#next = []
    this.turns.push({ ran: [], ms: 0 })
    for (const run of due) run()
  }

  get isIdle(): boolean {
    return this.#next.length === 0
  }

  /** A stream that works for the given number of consecutive slices. */
  stream(name: string, slices: number, ms: number, lane: Lane = "catch-up") {
    const own = new TimeSlices(this.scheduler)
    const work = Effect.gen({ self: this }, function* (this: Loop) {
      for (let i = 0; i < slices; i++) {
        yield* own.begin(lane)
        this.work(name, ms)
      }
      own.end()
    })
    return Effect.runFork(work)
  }

  /** Who ran in each turn in which anybody did. */
  get busy(): ReadonlyArray<string> {
    return this.turns.filter(({ ran }) => ran.length > 0).map(({ ran }) => ran.join(""))
  }

  run(): void {
    for (let i = 0; i < 10_000 && !this.isIdle; i++) this.turn()
    expect(this.isIdle).toBe(true)
  }
}

describe("the time of a turn", () => {
  it("is shared by all streams: none of them begins a slice once it is used up", () => {
    const loop = new Loop()
    for (const i of range(100)) loop.stream(`s${i}`, 20, 2)
    loop.run()
    expect(loop.turns.reduce((all, { ran }) => all + ran.length, 0)).toBe(2000)
    for (const { ms } of loop.turns) expect(ms).toBeLessThan(streamTurnMs + 2)
  })

  it("is bounded for one stream that always has more to do", () => {
    const loop = new Loop()
    loop.stream("a", 100, 1)
    loop.run()
    expect(loop.busy).toEqual(range(100 / streamTurnMs).map(() => "a".repeat(streamTurnMs)))
  })

  it("goes to streams in the order in which they came, one slice each", () => {
    const loop = new Loop()
    for (const name of ["a", "b", "c"]) loop.stream(name, 4, 1)
    loop.run()
    expect(loop.busy.join("")).toBe("abcabcabcabc")
  })

  it("is followed by turns for everything else", () => {
    const loop = new Loop()
    loop.stream("a", 3, streamTurnMs)
    loop.run()
    const ran = loop.turns.map(({ ran }) => ran.length).join("")
    expect(ran).toContain(["1", "1", "1"].join("0".repeat(streamRestTurns)))
  })

  it("is not spent on waiting: a stream that does not come back lets the next one go on", () => {
    const loop = new Loop()
    const slow = new TimeSlices(loop.scheduler)
    Effect.runFork(slow.begin("catch-up"))
    loop.turn()
    expect(slow.isRunning).toBe(true)
    loop.stream("a", 2, 1)
    loop.run()
    expect([slow.isRunning, loop.busy]).toEqual([false, ["aa"]])
  })

  it("is not for those who have left", async () => {
    const loop = new Loop()
    const left = loop.stream("left", 1, 1)
    loop.stream("a", 1, 1)
    await Effect.runPromise(Fiber.interrupt(left))
    loop.turn()
    expect(loop.busy).toEqual(["a"])
  })
})

describe("streams that read along", () => {
  it("come before those that read the log", () => {
    const loop = new Loop()
    for (const name of ["R", "S"]) loop.stream(name, 3, 1)
    for (const name of ["a", "b"]) loop.stream(name, 1, 1, "live")
    loop.run()
    expect(loop.busy.join("")).toBe("abRSRSRS")
  })

  it("leave a slice of every other turn to those that read the log", () => {
    const loop = new Loop()
    loop.stream("R", 5, 1)
    for (const i of range(20)) loop.stream(String(i % 10), 20, 1, "live")
    loop.run()
    expect(loop.busy.slice(0, 6).map((ran) => ran.indexOf("R"))).toEqual([-1, 0, -1, 0, -1, 0])
    for (const { ms } of loop.turns) expect(ms).toBeLessThanOrEqual(streamTurnMs)
  })
})

describe("the size of a slice", () => {
  const measured = (events: number, msOfEvent: number) => {
    const loop = new Loop()
    const slices = new TimeSlices(loop.scheduler)
    const sizes: Array<number> = []
    const work = Effect.gen(function* () {
      for (let i = 0; i < 20; i++) {
        yield* slices.begin("catch-up")
        const size = Math.min(slices.events, events)
        sizes.push(size)
        slices.recordEvents(size)
        loop.work("a", size * msOfEvent)
      }
    })
    Effect.runFork(work)
    loop.run()
    return sizes
  }

  it("grows to what its time allows, from a few events on", () => {
    const [first, ...rest] = measured(Number.POSITIVE_INFINITY, 1 / 128)
    expect([first, rest.at(-1)]).toEqual([sliceEventsMin, streamSliceMs * 128])
    expect(measured(Number.POSITIVE_INFINITY, 1 / 8192).at(-1)).toBe(sliceEventsMax)
  })

  it("stays small for events that take long, and does not grow on those that are few", () => {
    expect(measured(Number.POSITIVE_INFINITY, 1).at(-1)).toBe(sliceEventsMin)
    expect(measured(1, 1 / 1024).at(-1)).toBe(1)
  })

  it("shrinks again, as events turn out to take longer", () => {
    const loop = new Loop()
    const slices = new TimeSlices(loop.scheduler)
    let msOfEvent = 1 / 1024
    const work = Effect.gen(function* () {
      for (let i = 0; i < 40; i++) {
        if (i === 20) msOfEvent = 1 / 8
        yield* slices.begin("catch-up")
        slices.recordEvents(slices.events)
        loop.work("a", slices.events * msOfEvent)
      }
      slices.end()
    })
    Effect.runFork(work)
    loop.run()
    expect(slices.events).toBe(streamSliceMs * 8)
  })
})

describe("replays", () => {
  effectIt.effect("take turns, however much each of them has to read", () => {
    const world = new World()
    return Effect.gen(function* () {
      yield* write("d", numbered(5000))
      const streams = yield* Effect.forEach(range(3), () => open("d", beginning))
      const order: Array<number> = []
      const readers = yield* Effect.forEach(streams, (stream, i) =>
        Effect.forkChild(
          Effect.gen(function* () {
            for (let events = 0; events < 5000; ) {
              events += (yield* stream.pull).length
              order.push(i)
            }
          })
        )
      )
      for (const reader of readers) yield* Fiber.join(reader)
      // Within one round of each other, from the first page to the last.
      for (let at = 1; at <= order.length; at++) {
        const pages = range(3).map((i) => order.slice(0, at).filter((one) => one === i).length)
        expect(Math.max(...pages) - Math.min(...pages)).toBeLessThanOrEqual(2)
      }
    }).pipe(Effect.scoped, Effect.provide(world.layer))
  })

  effectIt.effect("share the time of a turn of the real event loop, with streams that are opened meanwhile", () => {
    const world = new World()
    const msOfRead = 2
    let now = 0
    const usedMs = [0]
    world.before = (call) =>
      Effect.sync(() => {
        if (call !== "read") return
        now += msOfRead
        usedMs[usedMs.length - 1]! += msOfRead
      })
    let ticking = setImmediate(function tick() {
      usedMs.push(0)
      ticking = setImmediate(tick)
    })
    return Effect.gen(function* () {
      yield* write("d", numbered(5000))
      const replay = Effect.gen(function* () {
        // Finding the time takes a dozen reads.
        const stream = yield* open("d", { _tag: "Since", time: 1n })
        for (let events = 0; events < 5000; ) events += (yield* stream.pull).length
      })
      yield* Effect.all(
        range(20).map(() => replay),
        { concurrency: "unbounded" }
      )
      expect(world.calls.read).toBeGreaterThan(20 * (5000 / sliceEventsMax))
      expect(Math.max(...usedMs)).toBeLessThan(streamTurnMs + msOfRead)
    }).pipe(
      Effect.scoped,
      Effect.provide(world.layer),
      Effect.updateService(Clock.Clock, (clock) =>
        Object.assign(Object.create(clock), { monotonicTimeNanosUnsafe: () => BigInt(now * 1e6) })
      ),
      Effect.ensuring(Effect.sync(() => clearImmediate(ticking)))
    )
  })

  effectIt.effect("bring everything where the store answers later, and beside streams that never ask again", () => {
    const world = new World()
    world.before = () => settle
    return Effect.gen(function* () {
      yield* write("d", numbered(5000))
      const stopped = yield* open("d", beginning)
      yield* stopped.pull
      const stream = yield* open("d", beginning)
      let keys: ReadonlyArray<string> = []
      while (keys.length < 5000) keys = [...keys, ...keysOf(yield* stream.pull)]
      expect(keys).toEqual(numbered(5000))
    }).pipe(Effect.scoped, Effect.provide(world.layer))
  })

  effectIt.effect("are in line for a slice only while they are asked for more", () => {
    const world = new World()
    const enqueue = vi.spyOn(StreamScheduler.prototype, "enqueue")
    return Effect.gen(function* () {
      const stream = yield* open("d")
      const pull = yield* Effect.forkChild(stream.pull, { startImmediately: true })
      yield* write("d", ["first"])
      expect(keysOf(yield* Fiber.join(pull))).toEqual(["first"])
      enqueue.mockClear()
      yield* write("d", numbered(3))
      expect(enqueue).not.toHaveBeenCalled()
      expect(keysOf(yield* stream.pull)).toEqual(numbered(3))
    }).pipe(Effect.scoped, Effect.provide(world.layer), Effect.ensuring(Effect.sync(() => enqueue.mockRestore())))
  })
})
