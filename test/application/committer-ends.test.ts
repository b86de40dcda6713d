// What becomes of callers when the gateway stops, or the channel behind the commits does.

import { describe, expect, it } from "@effect/vitest"
import { Deferred, Effect, Fiber, Latch, Layer } from "effect"
import { TestClock } from "effect/testing"
import * as Inmem from "../../adapters/channel/inmem/channel.ts"
import { Unavailable } from "../../application/failure.ts"
import { JobQueue, type QueuedJob } from "../../application/job-queue.ts"
import { announcingBytesMax, announcingEndMs } from "../../application/limits.ts"
import { type Announcement, Channel } from "../../application/ports/Channel.ts"
import { started } from "./committer-world.ts"
import { GatedStore, settle } from "./gated-store.ts"
import { applying, range, setting } from "./samples.ts"

const stopping = { _tag: "Draining", message: "the gateway is shutting down" }

describe("stopping", () => {
  it.effect("fails who waits, and lets the commit under way come to its end", () => {
    const store = new GatedStore()
    return Effect.gen(function* () {
      const { submit, submitted, stop } = yield* started(store)
      yield* store.gate.close
      const first = yield* submitted(setting("d", "a"))
      yield* settle
      const waiting = yield* Effect.forEach(["b", "c"], (key) => submitted(setting("d", key)))
      const stopped = yield* Effect.forkChild(stop, { startImmediately: true })
      for (const fiber of waiting) expect(yield* Effect.flip(Fiber.join(fiber))).toMatchObject(stopping)
      expect(yield* Effect.flip(submit(setting("d", "late")))).toMatchObject(stopping)
      expect(stopped.pollUnsafe()).toBeUndefined()
      yield* store.gate.open
      expect((yield* Fiber.join(first)).events).toHaveLength(1)
      yield* Fiber.join(stopped)
      expect(store.keys("d")).toEqual(["a"])
    })
  })

  it.effect("fails deferred jobs, for which no further commit begins", () => {
    const store = new GatedStore()
    return Effect.gen(function* () {
      const { submitted, stop } = yield* started(store, Inmem.layer, { events: 2 })
      yield* store.gate.close
      const [first, second] = yield* Effect.forEach(["a", "b"], (part) =>
        submitted(applying("d", `${part}1`, `${part}2`))
      )
      yield* settle
      const stopped = yield* Effect.forkChild(stop, { startImmediately: true })
      yield* store.gate.open
      yield* Fiber.join(first!)
      expect(yield* Effect.flip(Fiber.join(second!))).toMatchObject(stopping)
      yield* Fiber.join(stopped)
    })
  })

  it.effect("fails a job that was admitted just before", () => {
    const queue = new JobQueue(() => 0)
    const queued = queue.admit(setting("d", "a")) as QueuedJob
    queue.close()
    queue.enqueue(queued)
    return Effect.map(Effect.flip(queued.outcome), (failure) => expect(failure).toMatchObject(stopping))
  })

  it.effect("with nothing to do is done at once", () => Effect.flatMap(started(new GatedStore()), ({ stop }) => stop))
})

describe("a store that reports some batches before others", () => {
  it.effect("answers their callers and frees their domains at once; later reports of them do not count", () => {
    const store = new GatedStore()
    const { published, layer } = noting(() => Effect.void)
    return Effect.gen(function* () {
      const { submit, submitted } = yield* started(store, layer, { commits: 2 })
      yield* store.gate.close
      const first = yield* submitted(setting("x", "first"))
      yield* settle
      // Both in the commit behind.
      store.early = ["d"]
      yield* store.late.close
      const [early, late] = yield* Effect.forEach(["d", "e"], (domain) => submitted(setting(domain, "a")))
      yield* store.gate.open
      expect((yield* Fiber.join(early!)).events).toHaveLength(1)
      yield* Fiber.join(first)
      store.early = []
      expect((yield* submit(setting("d", "b"))).events).toHaveLength(1)
      expect(late!.pollUnsafe()).toBeUndefined()
      yield* store.late.open
      expect((yield* Fiber.join(late!)).events).toHaveLength(1)
      yield* settle
      expect(published.map(({ event }) => `${event.entity.domain}${event.position}`).sort()).toEqual([
        "d1",
        "d2",
        "e1",
        "x1"
      ])
    })
  })
})

/** A channel that records announcements, and then runs the given effect. */
const noting = (then: (announcements: ReadonlyArray<Announcement>) => Effect.Effect<void, Unavailable>) => {
  const published: Array<Announcement> = []
  const layer = Layer.succeed(Channel, {
    publish: (announcements) =>
      Effect.suspend(() => {
        published.push(...announcements)
        return then(announcements)
      }),
    subscribe: () => Effect.void
  })
  return { published, layer }
}

describe("announcements", () => {
  it.effect("are made once for each event, in order, with the log that it is in", () => {
    const store = new GatedStore()
    const { published, layer } = noting(() => Effect.yieldNow)
    return Effect.gen(function* () {
      const { submit, stop } = yield* started(store, layer, { commits: 2 })
      const retried = { ...setting("d", "a"), idempotency: { caller: "c", key: "k", hash: "h" } }
      yield* submit(retried)
      yield* submit(retried)
      yield* Effect.forEach(range(50), (i) => submit(applying(i % 2 === 0 ? "d" : "e", `${i}`, `${i}'`)), {
        concurrency: 7
      })
      yield* stop
      for (const domain of ["d", "e"]) {
        const head = store.memory.heads().find((one) => one.domain === domain)!
        const expected = store.memory.log(domain).map((event, i, log) => ({
          incarnation: head.incarnation,
          event,
          previousId: log[i - 1]?.id ?? ""
        }))
        expect(published.filter(({ event }) => event.entity.domain === domain)).toEqual(expected)
      }
    })
  })

  it.effect("are not made for what was not stored", () => {
    const store = new GatedStore()
    const { published, layer } = noting(() => Effect.void)
    store.fault = GatedStore.refusing(new Unavailable({ message: "away" }))
    return Effect.gen(function* () {
      const { submit, stop } = yield* started(store, layer)
      yield* Effect.exit(submit(setting("d", "a")))
      yield* stop
      expect(published).toEqual([])
    })
  })

  it.effect.each([
    ["fails", () => Effect.fail(new Unavailable({ message: "no broker" }))],
    ["dies", () => Effect.die(new Error("bug"))],
    ["throws", () => Effect.sync(() => JSON.parse("{"))],
    ["is interrupted from inside", () => Effect.interrupt]
  ] as const)("fail nobody when the channel %s", ([, then]) => {
    const store = new GatedStore()
    const { published, layer } = noting(then)
    return Effect.gen(function* () {
      const { submit, stop } = yield* started(store, layer)
      for (const i of range(3)) {
        yield* submit(setting("d", `${i}`))
        yield* settle
      }
      expect(published.map(({ event }) => event.entity.key)).toEqual(["0", "1", "2"])
      yield* stop
    })
  })

  it.effect("of a channel that hangs delay no commit, and the stop only briefly", () => {
    const store = new GatedStore()
    const { layer } = noting(() => Effect.never)
    return Effect.gen(function* () {
      const { submit, stop } = yield* started(store, layer)
      for (const i of range(3)) yield* submit(setting("d", `${i}`))
      expect(store.keys("d")).toEqual(["0", "1", "2"])
      const stopped = yield* Effect.forkChild(stop, { startImmediately: true })
      yield* settle
      yield* TestClock.adjust(announcingEndMs)
      yield* Fiber.join(stopped)
    })
  })

  it.effect("stay in order for a domain whose next commit is faster than the channel", () => {
    const store = new GatedStore()
    const slow = Latch.makeUnsafe(false)
    const { published, layer } = noting(() => slow.await)
    return Effect.gen(function* () {
      const { submit, stop } = yield* started(store, layer, { commits: 2 })
      for (const i of range(10)) yield* submit(setting("d", `${i}`))
      yield* slow.open
      yield* stop
      expect(published.map(({ event }) => event.position)).toEqual(range(10).map((i) => BigInt(i) + 1n))
    })
  })

  it.effect("accumulate up to their bound while the channel hangs", () => {
    const store = new GatedStore()
    const hung = Deferred.makeUnsafe<void>()
    const { published, layer } = noting(() => Deferred.await(hung))
    const megabytes = announcingBytesMax / 1024 / 1024
    return Effect.gen(function* () {
      const { submit, stop } = yield* started(store, layer)
      const values = { v: "x".repeat(1024 * 1024 - 8) }
      for (const i of range(megabytes * 2)) {
        yield* submit(setting("d", `${i}`, values))
        yield* settle
      }
      yield* Deferred.succeed(hung, undefined)
      yield* stop
      expect(published).toHaveLength(megabytes + 2)
    })
  })
})
