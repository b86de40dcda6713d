// Commits that take long, and who waits behind them.

import { describe, expect, it } from "@effect/vitest"
import { Clock, Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import * as Inmem from "../../adapters/channel/inmem/channel.ts"
import { Unavailable } from "../../application/failure.ts"
import { JobQueue, QueuedJob } from "../../application/job-queue.ts"
import { commitCheckMs, commitMsMax } from "../../application/limits.ts"
import { started } from "./committer-world.ts"
import { GatedStore, settle } from "./gated-store.ts"
import { range, setting } from "./samples.ts"

const tooLong = { _tag: "Unavailable", message: "the changes before this one take too long; try again later" }

describe("a queue without progress", () => {
  /** One whose clock a test sets. */
  const queueAt = () => {
    const at = { ms: 0 }
    const queue = new JobQueue(() => at.ms)
    const come = (domain: string) => {
      const queued = queue.admit(setting(domain, "a"))
      if (queued instanceof QueuedJob) queue.enqueue(queued)
      return queued
    }
    return { at, queue, come }
  }

  it("does not stall other domains right after a commit completes", () => {
    const { at, queue, come } = queueAt()
    for (const domain of ["hung", "over"]) come(domain)
    queue.take(2)
    const waiting = come("waiting") as QueuedJob
    at.ms = commitMsMax + 1
    queue.complete("over", [])
    queue.failStalled(commitMsMax)
    expect(waiting.isCancelled).toBe(false)
    expect(queue.take(2).map(({ domain }) => domain)).toEqual(["waiting"])
  })

  it("accepts jobs of a domain whose waiting commit makes progress", () => {
    const { at, queue, come } = queueAt()
    come("contested")
    const [batch] = queue.take(1)
    const waiting = come("waiting") as QueuedJob
    at.ms = commitMsMax
    queue.addLaterJobs(batch!)
    at.ms += 1
    queue.failStalled(commitMsMax)
    expect(waiting.isCancelled).toBe(true)
    expect(come("waiting")).toBeInstanceOf(Unavailable)
    expect(come("contested")).toBeInstanceOf(QueuedJob)
  })
})

describe("a stalled commit", () => {
  it.effect("fails waiting and new jobs of its domain alone, until it completes", () => {
    const store = new GatedStore()
    return Effect.gen(function* () {
      const { submit, submitted } = yield* started(store, Inmem.layer, { commits: 2 })
      store.fault = (commit) => Effect.andThen(store.late.await, commit)
      yield* store.late.close
      const stuck = yield* submitted(setting("d", "stuck"))
      yield* settle
      const waiting = yield* submitted(setting("d", "waiting"))
      yield* TestClock.adjust(commitMsMax + commitCheckMs)
      expect(yield* Effect.flip(Fiber.join(waiting))).toMatchObject(tooLong)
      expect(yield* Effect.flip(submit(setting("d", "late")))).toMatchObject(tooLong)
      store.fault = (commit) => commit
      expect((yield* submit(setting("e", "a"))).events).toHaveLength(1)
      yield* store.late.open
      // It had not been decided either.
      expect(yield* Effect.flip(Fiber.join(stuck))).toMatchObject(tooLong)
      yield* settle
      expect((yield* submit(setting("d", "after"))).events).toHaveLength(1)
      expect(store.keys("d")).toEqual(["after"])
    })
  })

  it.effect("fails waiting jobs of other domains if every worker is busy with such commits", () => {
    const store = new GatedStore()
    return Effect.gen(function* () {
      const { submit, submitted } = yield* started(store)
      yield* store.gate.close
      const stuck = yield* submitted(setting("d", "stuck"))
      yield* settle
      const waiting = yield* submitted(setting("e", "waiting"))
      yield* TestClock.adjust(commitMsMax / 2)
      const younger = yield* submitted(setting("f", "younger"))
      yield* TestClock.adjust(commitMsMax / 2 + commitCheckMs)
      for (const fiber of [waiting, younger, stuck]) {
        expect(yield* Effect.flip(Fiber.join(fiber))).toMatchObject(tooLong)
      }
      yield* TestClock.adjust(commitMsMax)
      expect(yield* Effect.flip(submit(setting("g", "late")))).toMatchObject(tooLong)
      yield* store.gate.open
      yield* settle
      expect((yield* submit(setting("e", "after"))).events).toHaveLength(1)
      // Nobody waits for long where nothing is under way.
      yield* TestClock.adjust(10 * commitMsMax)
      expect((yield* submit(setting("e", "much later"))).events).toHaveLength(1)
      expect([...store.keys("d"), ...store.keys("e")]).toEqual(["after", "much later"])
    })
  })

  it.effect("is not one that makes slow progress: it takes later jobs", () => {
    const store = new GatedStore()
    return Effect.gen(function* () {
      const { submitted } = yield* started(store)
      yield* store.gate.close
      const first = yield* submitted(setting("d", "first"))
      for (const i of range(4)) {
        yield* TestClock.adjust(commitMsMax / 2)
        yield* store.progress
        if (i === 2) yield* submitted(setting("d", "second"))
      }
      yield* store.gate.open
      expect((yield* Fiber.join(first)).events).toHaveLength(1)
      expect(store.keys("d")).toEqual(["first", "second"])
    })
  })

  it.effect("is not one that this process was not there to hear of", () => {
    const store = new GatedStore()
    return Effect.gen(function* () {
      const clock = yield* TestClock.testClockWith(Effect.succeed)
      let halted = 0n
      const halting: Clock.Clock = {
        ...clock,
        monotonicTimeNanosUnsafe: () => clock.monotonicTimeNanosUnsafe() + halted
      }
      yield* Effect.gen(function* () {
        const { submitted } = yield* started(store)
        yield* store.gate.close
        const first = yield* submitted(setting("d", "first"))
        yield* settle
        const second = yield* submitted(setting("e", "second"))
        yield* TestClock.adjust(commitCheckMs)
        halted = BigInt(2 * commitMsMax) * 1_000_000n
        yield* TestClock.adjust(commitCheckMs)
        yield* store.gate.open
        for (const fiber of [first, second]) expect((yield* Fiber.join(fiber)).events).toHaveLength(1)
      }).pipe(Effect.provideService(Clock.Clock, halting))
    })
  })

  it.effect("is awaited by those whom it has decided", () => {
    const store = new GatedStore()
    return Effect.gen(function* () {
      const { submitted } = yield* started(store, Inmem.layer, { events: 1 })
      store.fault = (commit) => Effect.tap(commit, () => store.late.await)
      yield* store.gate.close
      yield* store.late.close
      const decided = yield* submitted(setting("d", "decided"))
      const putOff = yield* submitted(setting("d", "put off"))
      yield* settle
      yield* store.gate.open
      yield* settle
      yield* TestClock.adjust(commitMsMax + commitCheckMs)
      expect(yield* Effect.flip(Fiber.join(putOff))).toMatchObject(tooLong)
      expect(decided.pollUnsafe()).toBeUndefined()
      yield* store.late.open
      expect((yield* Fiber.join(decided)).events).toHaveLength(1)
      yield* settle
      expect(store.keys("d")).toEqual(["decided"])
    })
  })
})
