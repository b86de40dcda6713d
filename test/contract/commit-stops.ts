// A gateway that stops in the middle of a commit, on a real store: another one finishes what it left, however it comes
// upon it; and when the first one wakes, long after, it changes nothing any more.

import { Deferred, Effect, Fiber, type Layer, Result } from "effect"
import { assert } from "vitest"
import { EventStore } from "../../application/ports/EventStore.ts"
import { commitRecords } from "../../application/storage/commit-records/commits.ts"
import type { CommitPrimitives } from "../../application/storage/commit-records/primitives.ts"
import type { Head } from "../../domain/batch.ts"
import { type Event, fold } from "../../domain/event.ts"
import { PrimitivesUnderTest } from "./CommitPrimitives.ts"
import { entitiesOf, eventsOf, globOf } from "./event-store/searching.ts"
import { append, batchOf, commit, entityOf, job, logOf, refIn, set } from "./event-store/writing.ts"
import { fresh, type Law, register, same } from "./law.ts"

type Write = "insertRecord" | "projectEvents" | "projectStates" | "advanceApplied"
interface Stop {
  readonly at: Write
  readonly how: "before" | "half" | "after"
}

const stops: ReadonlyArray<Stop> = [
  { at: "insertRecord", how: "before" },
  { at: "insertRecord", how: "after" },
  { at: "projectEvents", how: "half" },
  { at: "projectEvents", how: "after" },
  { at: "projectStates", how: "half" },
  { at: "projectStates", how: "after" },
  { at: "advanceApplied", how: "after" }
]

/** The primitives of a gateway that sleeps there. */
const sleepingAt = (store: CommitPrimitives, { at, how }: Stop, sleep: Effect.Effect<void>): CommitPrimitives => {
  const around = <A, E>(half: Effect.Effect<unknown, E>, whole: Effect.Effect<A, E>): Effect.Effect<A, E> =>
    how === "after"
      ? Effect.tap(whole, () => sleep)
      : Effect.andThen(how === "half" ? half : Effect.void, Effect.andThen(sleep, whole))
  const sleepers: CommitPrimitives = {
    ...store,
    insertRecord: (record) => around(Effect.void, store.insertRecord(record)),
    projectEvents: (domain, events) =>
      around(store.projectEvents(domain, events.slice(0, 1)), store.projectEvents(domain, events)),
    projectStates: (domain, latest) =>
      around(store.projectStates(domain, latest.slice(0, 1)), store.projectStates(domain, latest)),
    advanceApplied: (head) => around(Effect.void, store.advanceApplied(head))
  }
  return { ...store, [at]: sleepers[at] }
}

/** The call under which the sleeper commits two changes at once. */
const both = (domain: string) => {
  const [a, b] = [job(refIn(domain, "a"), set({ n: 2 })), job(refIn(domain, "b"), set({ n: 2 }))]
  const idempotency = { caller: "me", key: "once", hash: "h" }
  return { ...a, commands: [...a.commands, ...b.commands], parts: true, idempotency }
}

type Way = (domain: string, changeToken: string) => Effect.Effect<bigint | undefined, unknown, EventStore>

const positionIn = (domain: string, heads: ReadonlyArray<Head>): bigint | undefined =>
  heads.find((head) => head.domain === domain)?.position

/** How others come upon the domain, and how far it has come as they see it, without what they do themselves. */
const ways: Readonly<Record<string, Way>> = {
  "a commit": (domain) => Effect.map(append(domain, [{ key: "c" }]), ([event]) => event!.position - 1n),
  "a decision for nothing": (domain) => Effect.map(commit(domain, []), ({ head }) => head.position),
  "the same call once more": (domain) =>
    Effect.map(commit(domain, [both(domain)]), ({ head, events }) => head.position - BigInt(events.length)),
  "a read of the log": (domain) => Effect.map(logOf(domain), (log) => BigInt(log.length)),
  "a search of events": (domain) => Effect.map(eventsOf(domain, "thing"), (found) => BigInt(found.length)),
  "a look at a version": (domain) =>
    Effect.map(
      EventStore.use((store) => store.version(refIn(domain, "b"), 2n)),
      (event) => event?.position ?? 2n
    ),
  "a look at the head": (domain) =>
    Effect.map(
      EventStore.use((store) => store.heads(globOf(domain), 1)),
      (heads) => positionIn(domain, heads)
    ),
  "a look at heads": (domain) =>
    Effect.map(
      EventStore.use((store) => store.heads(globOf(`${domain}*`), 10)),
      (heads) => positionIn(domain, heads)
    ),
  "a look at what moved": (domain, changeToken) =>
    Effect.map(
      EventStore.use((store) => store.movedSince(changeToken)),
      ({ heads }) => positionIn(domain, heads)
    )
}

/** How others come upon a domain that they have not met. */
const firstWays = ["a commit", "a read of the log", "a look at heads", "a look at what moved"]

/** Reads everything that there is of a domain, which must be one and the same. */
const isFolded = Effect.fnUntraced(function* (domain: string) {
  const store = yield* EventStore
  const log: ReadonlyArray<Event> = yield* logOf(domain)
  const states = [...fold(log).values()].sort((a, b) => (a.key < b.key ? -1 : 1))
  for (const state of states) same(yield* store.state(state), state, "an entity")
  same((yield* entitiesOf(domain, "thing")).map(entityOf), states.map(entityOf), "entities")
  for (const event of log) {
    same(yield* store.version(event.entity, event.entity.version), event, "a version")
    same(yield* store.event(event.entity, event.id), event, "an event")
  }
  return log
})

const sleeper = (stop: Stop, name: string, way: Way, isFirst = false): Law<EventStore | PrimitivesUnderTest> => ({
  name: `${name}, when a ${isFirst ? "first " : ""}commit was left ${stop.how} ${stop.at}, and its owner comes too late`,
  check: Effect.gen(function* () {
    const store = yield* EventStore
    const domain = fresh("asleep")
    const { changeToken } = yield* store.movedSince(undefined)
    const before = isFirst ? 0n : 2n
    if (!isFirst) yield* append(domain, [{ key: "a" }, { key: "b" }])
    const [stopped, woken] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
    const sleep = Effect.andThen(Deferred.succeed(stopped, undefined), Deferred.await(woken))
    const { batch, made } = batchOf(domain, [both(domain)])
    const owner = commitRecords(sleepingAt(yield* PrimitivesUnderTest, stop, sleep))
    const fiber = yield* Effect.forkChild(owner.commit([batch]))
    yield* Deferred.await(stopped)
    const isInserted = stop.at !== "insertRecord" || stop.how === "after"
    const seen = (yield* way(domain, changeToken)) ?? 0n
    assert.strictEqual(seen, isInserted ? before + 2n : before, "how far others see it come")
    const version = isFirst ? 1n : 2n
    for (const { ref } of isInserted ? both(domain).commands : [])
      assert.strictEqual((yield* store.state(ref))?.version, version, "and its entities")
    yield* append(domain, [{ key: "b" }, { key: "a" }])
    yield* Deferred.succeed(woken, undefined)
    const [result] = yield* Fiber.join(fiber)
    assert.isTrue(Result.isSuccess(result!), "it is told that it is done")
    const log = yield* isFolded(domain)
    const [outcome] = made.decision.outcomes
    const events = outcome?._tag === "Done" ? outcome.events : []
    same(
      log.filter(({ idempotency }) => idempotency !== undefined),
      events,
      "what it did is there, once"
    )
    assert.strictEqual(events.length, 2)
  })
})

/** For a store, and primitives over the same place. */
export const commitStops = (name: string, layer: Layer.Layer<EventStore | PrimitivesUnderTest, unknown>) =>
  register(
    `commits that are left half done (${name})`,
    [
      ...stops.flatMap((stop) => Object.entries(ways).map(([name, way]) => sleeper(stop, name, way))),
      ...stops
        .filter(({ at }) => at !== "advanceApplied")
        .flatMap((stop) => firstWays.map((name) => sleeper(stop, name, ways[name]!, true)))
    ],
    layer
  )
