// What every gateway on a database must do when that goes away, does not answer, or cuts its connections.

import { Effect, type Layer, ManagedRuntime, Result } from "effect"
import { afterEach, assert, describe, test } from "vitest"
import type { Defect, OutcomeUnknown, Unavailable } from "../../application/failure.ts"
import { EventStore } from "../../application/ports/EventStore.ts"
import { Projection } from "../../application/ports/Projection.ts"
import type { TooLarge } from "../../domain/rejection.ts"
import { entitiesOf, eventsOf, globOf } from "../contract/event-store/searching.ts"
import { draftBatch, logOf, refIn } from "../contract/event-store/writing.ts"
import { fresh, same } from "../contract/law.ts"
import { startProxy } from "../services/proxy.ts"
import type { Used } from "../services/service.ts"

/** Gateways on places of a server, which end with the test. */
export const awayWorld = <Place extends { readonly addr: string }>(
  server: Used<Place>,
  layer: (place: Place) => Layer.Layer<EventStore | Projection, unknown>
) => {
  const cleanups: Array<() => Promise<void>> = []
  afterEach(async () => {
    for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
  })
  const gateway = (place: Place) => {
    const runtime = ManagedRuntime.make(layer(place))
    cleanups.push(() => runtime.dispose())
    return runtime
  }
  /** A gateway whose connections a test can break, and one that it cannot. */
  const broken = async () => {
    const place = server.fresh()
    const proxy = await startProxy(place.addr)
    cleanups.push(proxy.close)
    return { proxy, one: gateway({ ...place, addr: proxy.addr }), other: gateway(place) }
  }
  return { gateway, broken }
}

/** Appends two events at once, and answers what became of them. */
export const tried = Effect.fnUntraced(function* (domain: string) {
  const { batch, made } = draftBatch(domain, [{ key: "a" }, { key: "b" }])
  const [result] = yield* EventStore.use((store) => store.commit([batch]))
  return { outcome: Result.isSuccess(result!) ? "done" : result!.failure._tag, events: made.events }
})

type Call = Effect.Effect<unknown, TooLarge | Unavailable | OutcomeUnknown | Defect, EventStore | Projection>

/** Every call of the ports, and what it fails with; a commit tells by its results. */
const failures = Effect.fnUntraced(function* (domain: string) {
  const store = yield* EventStore
  const projection = yield* Projection
  const ref = refIn(domain, "a")
  const committed = Effect.map(store.commit([draftBatch(domain, [{ key: "a" }]).batch]), ([result]) => result!)
  const calls: ReadonlyArray<Call> = [
    Effect.flatMap(committed, (result) => (Result.isFailure(result) ? Effect.fail(result.failure) : Effect.void)),
    store.state(ref),
    store.version(ref, 1n),
    store.event(ref, crypto.randomUUID()),
    entitiesOf(domain, "thing"),
    eventsOf(domain, "thing"),
    store.read(domain, 0n, 10),
    store.heads(globOf(domain), 1),
    store.heads(globOf("*"), 1),
    store.movedSince(undefined),
    store.movedSince("0"),
    projection.stored(domain, undefined, 1),
    projection.restate(domain, [], [ref])
  ]
  return yield* Effect.forEach(calls, Effect.flip, { concurrency: "unbounded" })
})

/** Commits as soon as that can be done again. */
export const recovered = Effect.fnUntraced(function* (domain: string) {
  while (true) {
    const { outcome, events } = yield* tried(domain)
    if (outcome === "done") return events
    yield* Effect.sleep(100)
  }
})

/** `commits` tells the bytes by which a commit is made from any others. */
export const breaksForGood = <Place extends { readonly addr: string }>(
  server: Used<Place>,
  { broken }: Pick<ReturnType<typeof awayWorld<Place>>, "broken">,
  commits: (bytes: Buffer) => boolean
): void => {
  describe("a connection that breaks for good", server.options, () => {
    test("after a commit was sent leaves an outcome that is unknown, and a commit that is whole", async () => {
      const { proxy, one, other } = await broken()
      const domain = fresh("broken")
      const { events: first } = await one.runPromise(tried(domain))
      let isGone = false
      proxy.fate = (bytes) => {
        if (isGone) return "lost"
        isGone = commits(bytes)
        return isGone ? "unanswered" : "passed"
      }
      const { outcome, events } = await one.runPromise(tried(domain))
      assert.strictEqual(outcome, "OutcomeUnknown")
      const known = [...first, ...events]
      same(await other.runPromise(logOf(domain)), known, "what was sent")
      proxy.fate = () => "passed"
      const after = await one.runPromise(recovered(domain))
      same(await other.runPromise(logOf(domain)), [...known, ...after], "the log")
    })

    test("before anything was sent leaves nothing", async () => {
      const { proxy, one, other } = await broken()
      const domain = fresh("broken")
      const { events } = await one.runPromise(tried(domain))
      proxy.fate = () => "lost"
      assert.strictEqual((await one.runPromise(tried(domain))).outcome, "Unavailable")
      same(await other.runPromise(logOf(domain)), events, "the log")
    })
  })
}

export const goesAway = <Place extends { readonly addr: string }>(
  server: Used<Place>,
  { gateway }: Pick<ReturnType<typeof awayWorld<Place>>, "gateway">
): void => {
  describe("a server that goes away", server.faults, () => {
    test.each(["stop", "kill"] as const)(
      "(%s) is told from every call, in our own words, until it is back",
      async (how) => {
        const one = gateway(server.fresh())
        const domain = fresh("away")
        const { events } = await one.runPromise(tried(domain))
        await server.own()[how]()
        const told = await one.runPromise(failures(domain))
        for (const { _tag, message } of told) {
          assert.deepStrictEqual([_tag, message], ["Unavailable", "the store is not available; try again later"])
        }
        await server.own().restart()
        const after = await one.runPromise(recovered(domain))
        same(await one.runPromise(logOf(domain)), [...events, ...after], "nothing was lost, and nothing refused came")
      }
    )

    test("and does not say so, is not waited for without end", async () => {
      const one = gateway(server.fresh())
      const domain = fresh("halted")
      const { events } = await one.runPromise(tried(domain))
      server.own().pause()
      const state = EventStore.use((store) => store.state(refIn(domain, "a")))
      const reads = Effect.all([Effect.flip(state), Effect.flip(entitiesOf(domain, "thing"))], { concurrency: 2 })
      const asking = [one.runPromise(tried(domain)), one.runPromise(reads)] as const
      const [{ outcome, events: asked }, refused] = await Promise.all(asking).finally(() => server.own().resume())
      assert.deepStrictEqual(
        refused.map(({ _tag }) => _tag),
        ["Unavailable", "Unavailable"]
      )
      assert.include(["Unavailable", "OutcomeUnknown"], outcome)
      const after = await one.runPromise(recovered(domain))
      const log = await one.runPromise(logOf(domain))
      const between = log.slice(events.length, log.length - after.length)
      if (between.length > 0) same(between, asked, "what was unknown is there as a whole")
      same(log, [...events, ...between, ...after], "the log")
      if (outcome === "Unavailable") assert.deepStrictEqual(between, [])
    })
  })
}
