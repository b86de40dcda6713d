// What a decision is given, and what stays when it cannot be made: the head as it is, and nothing half done.

import { Effect, Exit, Fiber, Result } from "effect"
import { assert } from "vitest"
import { type Batch, EventStore } from "../../../application/ports/EventStore.ts"
import type { Job, Outcome } from "../../../domain/batch.ts"
import type { Precondition } from "../../../domain/command.ts"
import type { Event } from "../../../domain/event.ts"
import { fresh, type Law, same } from "../law.ts"
import { globOf } from "./searching.ts"
import { append, batchOf, commit, commitBatches, del, draftBatch, edit, job, logOf, refIn, set } from "./writing.ts"

/** What a decision sees, without deciding anything. */
const look = <A>(domain: string, more: Partial<Batch>, see: (snapshot: Parameters<Batch["decide"]>[0]) => A) =>
  Effect.gen(function* () {
    const seen: Array<A> = []
    const decide: Batch["decide"] = (snapshot) => {
      seen.push(see(snapshot))
      return []
    }
    yield* commitBatches([{ domain, refs: [], keys: [], ...more, decide }])
    assert.isAtLeast(seen.length, 1, "decide was called")
    return seen.at(-1)!
  })

const states: Law<EventStore> = {
  name: "a decision sees the domain as the commits before it left it, tombstones included",
  check: Effect.gen(function* () {
    const domain = fresh("snapshot")
    const refs = [...["a", "b", "never"].map((key) => refIn(domain, key)), refIn(domain, "a", "other")]
    const see = look(domain, { refs }, ({ position, time, eventId, state }) => {
      return { position, time, eventId, states: refs.map(state) }
    })
    same(
      yield* see,
      { position: 0n, time: 0n, eventId: "", states: refs.map(() => undefined) },
      "before the first event"
    )
    const { events } = yield* commit(domain, [
      job(refs[0]!, set({ a: 1 })),
      job(refs[1]!, set({ b: 1 })),
      job(refs[0]!, edit({ c: 1 })),
      job(refs[1]!, del)
    ])
    const [, , a, b] = events
    const expected = [{ ...a!.entity, deleted: false }, { ...b!.entity, deleted: true }, undefined, undefined]
    same(yield* see, { position: 4n, time: b!.time, eventId: b!.id, states: expected }, "after a commit")
    // A version that continues the tombstone's shows that the decision did, too.
    const again = yield* commit(domain, [job(refs[1]!, set({ b: 2 }))])
    assert.strictEqual(again.events[0]?.entity.version, 3n)
  })
}

const idempotency = (caller: string, key: string, hash = "h") => ({ caller, key, hash })

const remembered: Law<EventStore> = {
  name: "a decision is told what an idempotency key has made, in order",
  check: Effect.gen(function* () {
    const domain = fresh("keys")
    const mine = idempotency('["https://issuer","𝄞"]', "key 1'\"%")
    const made = yield* append(domain, [
      { key: "a", idempotency: mine, values: { n: 1 } },
      { key: "b" },
      { key: "a", idempotency: mine, values: { n: 2 }, claims: { sub: "𝄞" } },
      { key: "c", idempotency: idempotency(mine.caller, "key 2") }
    ])
    const recall = look(domain, { keys: [mine] }, (snapshot) => snapshot.remembered(mine.caller, mine.key))
    same(yield* recall, [made[0], made[2]], "the events of the key")
    const retried = yield* commit(domain, [job(refIn(domain, "a"), set({ n: 3 }), { idempotency: mine })])
    same(retried.outcomes, [{ _tag: "Done", events: [made[0], made[2]], replayed: true }], "a retry")
    same(yield* logOf(domain), made, "the log")
    yield* append(domain, [{ key: "d" }])
    same(yield* recall, [made[0], made[2]], "the events of the key, later")
  })
}

const scopes: Law<EventStore> = {
  name: "an idempotency key belongs to one caller in one domain",
  check: Effect.gen(function* () {
    const [domain, elsewhere] = [fresh("keys"), fresh("keys")]
    const mine = idempotency("me", "key")
    yield* append(domain, [{ key: "a", idempotency: mine }])
    yield* append(elsewhere, [{ key: "a" }])
    const free = [
      idempotency("you", "key"),
      idempotency("m", "ekey"),
      idempotency("ME", "key"),
      idempotency("me", "KEY")
    ]
    for (const other of free) {
      const found = yield* look(domain, { keys: [other] }, (snapshot) => snapshot.remembered(other.caller, other.key))
      same(found, [], "another caller's key, or another key")
    }
    const found = yield* look(elsewhere, { keys: [mine] }, (snapshot) => snapshot.remembered("me", "key"))
    same(found, [], "the key in another domain")
  })
}

/** Jobs committed one each, as many at once as the store says that it takes. */
const race = Effect.fnUntraced(function* (domain: string, jobs: ReadonlyArray<Job>) {
  const { capacity } = yield* EventStore
  const concurrency = Math.min(capacity.commits, 16)
  return yield* Effect.forEach(jobs, (one) => commit(domain, [one]), { concurrency })
})

const oneWins: Law<EventStore> = {
  name: "of many commits that expect one version exactly one wins",
  check: Effect.gen(function* () {
    const domain = fresh("race")
    const ref = refIn(domain, "a")
    const contend = Effect.fnUntraced(function* (precondition: Precondition) {
      const jobs = Array.from({ length: 16 }, (_, n) => job(ref, set({ n }), { if: precondition }))
      const outcomes = (yield* race(domain, jobs)).flatMap((written): ReadonlyArray<Outcome> => written.outcomes)
      assert.strictEqual(outcomes.filter(({ _tag }) => _tag === "Done").length, 1)
    })
    yield* contend({ _tag: "Absent" })
    for (const version of [1n, 2n, 3n]) yield* contend({ _tag: "Versions", versions: [version] })
    assert.strictEqual((yield* logOf(domain)).length, 4)
  })
}

const concurrent: Law<EventStore> = {
  name: "concurrent commits lose nothing, and leave no gap",
  check: Effect.gen(function* () {
    const domain = fresh("concurrent")
    const written = yield* race(
      domain,
      Array.from({ length: 40 }, (_, n) => job(refIn(domain, `k${n % 3}`), set({ n })))
    )
    const log = yield* logOf(domain)
    same(
      log.map(({ id }) => id).sort(),
      written.flatMap(({ events }) => events.map(({ id }) => id)).sort(),
      "the events in the log"
    )
    const versions = new Map<string, bigint>()
    for (const { entity } of log) {
      assert.strictEqual(entity.version, (versions.get(entity.key) ?? 0n) + 1n, "versions have no gap")
      versions.set(entity.key, entity.version)
    }
  })
}

const failing: Law<EventStore> = {
  name: "a decision that throws leaves nothing behind, and the other batches whole or not at all",
  check: Effect.gen(function* () {
    const store = yield* EventStore
    const [existing, fresher] = [fresh("throws"), fresh("throws")]
    const past = yield* append(existing, [{ key: "a", values: { before: true } }])
    for (const domain of [existing, fresher]) {
      const others = [fresh("throws"), fresh("throws")].map((name) => draftBatch(name, [{ key: "a" }, { key: "b" }]))
      const { batch } = draftBatch(domain, [{ key: "a" }, { key: "b" }])
      const thrower: Batch = {
        ...batch,
        decide: (snapshot) => {
          batch.decide(snapshot)
          throw new Error("this decision cannot be made")
        }
      }
      const before = yield* store.heads(globOf(domain), 1)
      const exit = yield* Effect.exit(store.commit([others[0]!.batch, thrower, others[1]!.batch]))
      if (Exit.isSuccess(exit)) assert.isTrue(Result.isFailure(exit.value[1]!), "a throw is no success")
      for (const [i, at] of [0, 2].entries()) {
        const { batch: other, made } = others[i]!
        const log = yield* logOf(other.domain)
        const must = Exit.isSuccess(exit) && Result.isSuccess(exit.value[at]!)
        if (must || log.length > 0) same(log, made.events, "another batch")
      }
      same(yield* store.heads(globOf(domain), 1), before, "the head")
      const log = domain === existing ? past : []
      same(yield* logOf(domain), log, "the log")
      same((yield* store.state(refIn(domain, "a")))?.version, log[0]?.entity.version, "the state")
      const after = yield* append(domain, [{ key: "a" }])
      same(yield* logOf(domain), [...log, ...after], "the log after the next commit")
    }
  })
}

const interrupted: Law<EventStore> = {
  name: "an interrupted commit is done as a whole or not at all",
  check: Effect.gen(function* () {
    const store = yield* EventStore
    for (let turns = 0; turns < 8; turns++) {
      const domains = [fresh("interrupt"), fresh("interrupt")]
      const drafts = Array.from({ length: 10 }, (_, n) => ({ key: `k${n}` }))
      const batches = domains.map((domain) => draftBatch(domain, drafts))
      const fiber = yield* Effect.forkChild(store.commit(batches.map(({ batch }) => batch)))
      for (let turn = 0; turn < turns; turn++) yield* Effect.yieldNow
      yield* Fiber.interrupt(fiber)
      for (const { batch, made } of batches) {
        // Who commits next finishes what was claimed; from then on nothing may come any more.
        const next = batchOf(batch.domain, [job(refIn(batch.domain, "next"), set({}))])
        yield* commitBatches([next.batch])
        const log: ReadonlyArray<Event> = yield* logOf(batch.domain)
        const expected = log.length > 1 ? [...made.events, ...next.made.decision.events] : next.made.decision.events
        same(log, expected, "the log")
        same((yield* store.state(refIn(batch.domain, "k9")))?.version, log.length > 1 ? 1n : undefined, "the state")
      }
    }
  })
}

export const deciding = [states, remembered, scopes, oneWins, concurrent, failing, interrupted]
