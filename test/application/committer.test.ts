import { describe, expect, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Latch, Layer } from "effect"
import * as Inmem from "../../adapters/channel/inmem/channel.ts"
import { Committer } from "../../application/committer.ts"
import { OutcomeUnknown, Unavailable } from "../../application/failure.ts"
import { commitEventsMax, queuedBytesMax, queuedJobsMax } from "../../application/limits.ts"
import type { Job } from "../../domain/batch.ts"
import { type Commit, GatedStore, settle } from "./gated-store.ts"
import { applying, command, deleting, range, setting } from "./samples.ts"

const submit = (job: Job) => Effect.flatMap(Committer, (committer) => committer.submit(job))
const submitted = (job: Job) => Effect.forkChild(submit(job), { startImmediately: true })
const over = (store: GatedStore, capacity = {}) =>
  Effect.provide(Layer.provide(Committer.layer, [store.layer(capacity), Inmem.layer]))

/** Closes the gate behind a commit of its own, so that whatever follows has to wait. */
const held = Effect.fnUntraced(function* (store: GatedStore, domain = "d") {
  yield* store.gate.close
  const first = yield* submitted(setting(domain, "first"))
  yield* settle
  return first
})

describe("group commit", () => {
  it.effect("collects jobs while a commit is in flight, and commits them together", () => {
    const store = new GatedStore()
    return Effect.gen(function* () {
      const first = yield* held(store)
      const rest = yield* Effect.forEach(range(100), (i) => submitted(setting("d", `${i}`)))
      yield* settle
      expect(store.commits).toEqual([[["d", 1]]])
      yield* store.gate.open
      const done = yield* Fiber.joinAll([first, ...rest])
      expect(store.commits).toEqual([[["d", 1]], [["d", 100]]])
      expect(done.map(({ events }) => events[0]!.position)).toEqual(range(101).map((i) => BigInt(i) + 1n))
    }).pipe(over(store))
  })

  it.effect("takes along what arrives in the same turn, even over a store that blocks", () => {
    const store = new GatedStore()
    return Effect.gen(function* () {
      yield* Effect.all(
        range(50).map((i) => submit(setting("d", `${i}`))),
        { concurrency: "unbounded" }
      )
      expect(store.commits).toEqual([[["d", 50]]])
    }).pipe(over(store))
  })

  it.effect("keeps the order of arrival in each domain, with several domains in one commit", () => {
    const store = new GatedStore()
    return Effect.gen(function* () {
      yield* held(store)
      const rest = yield* Effect.forEach(range(30), (i) => submitted(setting(i % 3 === 0 ? "d" : "e", `${i}`)))
      yield* store.gate.open
      yield* Fiber.joinAll(rest)
      expect(store.commits[1]).toEqual([
        ["d", 10],
        ["e", 20]
      ]) // one commit, both domains
      expect(store.keys("d")).toEqual([
        "first",
        ...range(30)
          .filter((i) => i % 3 === 0)
          .map(String)
      ])
      expect(store.keys("e")).toEqual(
        range(30)
          .filter((i) => i % 3 !== 0)
          .map(String)
      )
    }).pipe(over(store))
  })

  it.effect("a rejected job fails alone", () => {
    const store = new GatedStore()
    return Effect.gen(function* () {
      yield* held(store)
      const jobs = [setting("d", "a"), deleting("d", "none"), setting("d", "b")]
      const fibers = yield* Effect.forEach(jobs, submitted)
      yield* store.gate.open
      const exits = yield* Effect.forEach(fibers, Fiber.await)
      expect(exits.map(Exit.isSuccess)).toEqual([true, false, true])
      expect(exits[1]).toEqual(Exit.fail({ _tag: "NotFound", message: "the entity does not exist" }))
      expect(store.keys("d")).toEqual(["first", "a", "b"])
    }).pipe(over(store))
  })

  it.effect("splits more jobs than one commit holds, in order", () => {
    const store = new GatedStore()
    return Effect.gen(function* () {
      yield* held(store)
      const rest = yield* Effect.forEach(range(2500), (i) => submitted(setting("d", `${i}`)))
      yield* store.gate.open
      yield* Fiber.joinAll(rest)
      expect(store.commits.map(([batch]) => batch![1])).toEqual([1, 1000, 1000, 500])
      expect(store.keys("d")).toEqual(["first", ...range(2500).map(String)])
    }).pipe(over(store))
  })

  it.effect("adds jobs that arrive while a store waits for its slot, up to the size of a commit", () => {
    const store = new GatedStore()
    store.takesLaterJobs = true
    return Effect.gen(function* () {
      const first = yield* held(store)
      const rest = yield* Effect.forEach(range(commitEventsMax), (i) => submitted(setting("d", `${i}`)))
      const other = yield* submitted(setting("e", "other"))
      yield* settle
      yield* store.gate.open
      yield* Fiber.joinAll([first, other, ...rest])
      expect(store.commits).toEqual([[["d", 1]], [["e", 1]], [["d", 1]]])
      expect(store.keys("d")).toEqual(["first", ...range(commitEventsMax).map(String)])
      const [last] = store.memory.log("d").slice(-1)
      expect(last?.position).toBe(BigInt(commitEventsMax) + 1n)
    }).pipe(over(store, { domains: 1 }))
  })

  it.effect("a domain with more jobs than a commit can hold does not delay other domains", () => {
    const store = new GatedStore()
    return Effect.gen(function* () {
      yield* held(store, "busy")
      const rest = yield* Effect.forEach(range(3500), (i) => submitted(setting("busy", `${i}`)))
      const quiet = yield* submitted(setting("quiet", "a"))
      yield* store.gate.open
      yield* Fiber.joinAll([...rest, quiet])
      expect(store.commits[2]).toEqual([
        ["quiet", 1],
        ["busy", 999]
      ]) // it had to let the busy one go first once
      expect(store.keys("busy")).toEqual(["first", ...range(3500).map(String)])
    }).pipe(over(store))
  })

  it.effect("jobs that the store deferred come first in the next batch, before later jobs", () => {
    const store = new GatedStore()
    return Effect.gen(function* () {
      yield* held(store)
      const rest = yield* Effect.forEach(range(10), (i) => submitted(applying("d", `${i}a`, `${i}b`)))
      yield* store.gate.release
      yield* settle
      expect(store.commits).toHaveLength(2)
      const late = yield* submitted(setting("d", "late"))
      yield* store.gate.open
      yield* Fiber.joinAll([...rest, late])
      expect(store.keys("d")).toEqual(["first", ...range(10).flatMap((i) => [`${i}a`, `${i}b`]), "late"])
    }).pipe(over(store, { events: 5 }))
  })

  it.effect("runs as many commits at once as the store takes, and never two of one domain", () => {
    const store = new GatedStore()
    return Effect.gen(function* () {
      yield* held(store, "a")
      const rest = yield* Effect.forEach(["a", "b", "a"], (domain) => submitted(setting(domain, "x")))
      yield* settle
      rest.push(yield* submitted(setting("c", "x")))
      yield* settle
      expect(store.commits).toEqual([[["a", 1]], [["b", 1]]])
      yield* store.gate.open
      yield* Fiber.joinAll(rest)
      expect(store.inFlightMost).toBe(2)
      expect(store.keys("a")).toEqual(["first", "x", "x"])
    }).pipe(over(store, { commits: 2 }))
  })
})

describe("a queue that is full", () => {
  const overloaded = { _tag: "Overloaded", message: expect.stringContaining("try again later") }

  it.effect("of jobs answers at once, and stores nothing of it", () => {
    const store = new GatedStore()
    return Effect.gen(function* () {
      yield* held(store)
      const rest = yield* Effect.forEach(range(queuedJobsMax), (i) => submitted(setting("d", `${i}`)))
      expect(yield* Effect.flip(submit(setting("d", "too many")))).toMatchObject(overloaded)
      expect(yield* Effect.flip(submit(setting("e", "too many")))).toMatchObject(overloaded)
      yield* store.gate.open
      yield* Fiber.joinAll(rest)
      yield* submit(setting("d", "later"))
      expect(store.keys("d")).toEqual(["first", ...range(queuedJobsMax).map(String), "later"])
    }).pipe(over(store))
  })

  it.effect("of bytes does, too, and has room again once some have gone", () => {
    const store = new GatedStore()
    const large = (key: string) => setting("d", key, { v: "x".repeat(1024 * 1024 - 8) })
    return Effect.gen(function* () {
      yield* held(store)
      const rest = yield* Effect.forEach(range(Math.floor(queuedBytesMax / (2 * 1024 * 1024 + 512))), (i) =>
        submitted(large(`${i}`))
      )
      expect(yield* Effect.flip(submit(large("too much")))).toMatchObject(overloaded)
      yield* Fiber.interrupt(rest[5]!)
      const last = yield* submitted(large("last"))
      expect(yield* Effect.flip(submit(large("too much")))).toMatchObject(overloaded)
      yield* store.gate.open
      yield* Fiber.joinAll([...rest.filter((_, i) => i !== 5), last])
      expect(store.keys("d")).toHaveLength(1 + rest.length)
    }).pipe(over(store))
  })
})

describe("a caller who leaves", () => {
  it.effect("while waiting is dropped: no event, and nobody else notices", () => {
    const store = new GatedStore()
    return Effect.gen(function* () {
      yield* held(store)
      const fibers = yield* Effect.forEach(["a", "b", "c"], (key) => submitted(setting("d", key)))
      yield* Fiber.interrupt(fibers[1]!)
      yield* store.gate.open
      yield* Fiber.joinAll([fibers[0]!, fibers[2]!])
      expect(store.keys("d")).toEqual(["first", "a", "c"])
    }).pipe(over(store))
  })

  it.effect("before the store has looked is dropped, although its batch has left", () => {
    const store = new GatedStore()
    return Effect.gen(function* () {
      const first = yield* held(store)
      const next = yield* submitted(setting("d", "next"))
      yield* Fiber.interrupt(first)
      yield* store.gate.open
      yield* Fiber.join(next)
      expect(store.keys("d")).toEqual(["next"])
    }).pipe(over(store))
  })

  it.effect("once its job is decided leaves its event, and waits for it", () => {
    const store = new GatedStore()
    const late = Latch.makeUnsafe(false)
    store.fault = (commit) => Effect.tap(commit, () => late.await)
    return Effect.gen(function* () {
      const first = yield* submitted(setting("d", "first"))
      yield* settle
      const leaving = yield* Effect.forkChild(Fiber.interrupt(first), { startImmediately: true })
      yield* settle
      expect(first.pollUnsafe()).toBeUndefined()
      yield* late.open
      yield* Fiber.join(leaving)
      expect(store.keys("d")).toEqual(["first"])
    }).pipe(over(store))
  })

  it.effect("for whom its commit had no room can still leave", () => {
    const store = new GatedStore()
    const late = Latch.makeUnsafe(false)
    store.fault = (commit) => Effect.tap(commit, () => late.await)
    return Effect.gen(function* () {
      const jobs = yield* Effect.forEach(["a", "b", "c"], (key) => submitted(setting("d", key)))
      yield* settle
      expect(store.keys("d")).toEqual(["a"])
      yield* Fiber.interrupt(jobs[1]!)
      yield* late.open
      yield* Fiber.joinAll([jobs[0]!, jobs[2]!])
      expect(store.keys("d")).toEqual(["a", "c"])
    }).pipe(over(store, { events: 1 }))
  })
})

describe("a store that goes wrong", () => {
  const unavailable = new Unavailable({ message: "away" })
  const unknown = new OutcomeUnknown({})

  it.effect.each([
    ["says it is away", GatedStore.refusing(unavailable), unavailable],
    ["cannot tell what became of a commit", GatedStore.refusing(unknown), unknown],
    ["dies after it has written", (commit: Commit) => Effect.andThen(commit, Effect.die(new Error("bug"))), unknown],
    ["dies", () => Effect.die(new Error("bug")), { _tag: "Defect", cause: new Error("bug") }],
    ["throws", () => Effect.sync(() => JSON.parse("{")), { _tag: "Defect" }],
    ["is interrupted from inside", () => Effect.interrupt, { _tag: "Unavailable", message: "the store failed" }]
  ] as const)("and %s fails the callers of that commit, and no others", ([, fault, failure]) => {
    const store = new GatedStore()
    return Effect.gen(function* () {
      const first = yield* held(store)
      store.fault = fault as typeof store.fault
      yield* store.gate.open
      expect(yield* Effect.flip(Fiber.join(first))).toMatchObject(failure)
      store.fault = (commit) => commit
      const done = yield* submit(applying("d", "a", "b"))
      expect(done.events).toHaveLength(2)
    }).pipe(over(store))
  })

  it.effect("answers for the rejected as well: their rejection was never checked against a commit", () => {
    const store = new GatedStore()
    store.fault = GatedStore.refusing(unavailable)
    return Effect.gen(function* () {
      const missing = command("d", "none", { _tag: "Del" })
      const failure = yield* Effect.flip(submit({ domain: "d", commands: [missing], parts: false, claims: {} }))
      expect(failure).toBe(unavailable)
    }).pipe(over(store))
  })
})
