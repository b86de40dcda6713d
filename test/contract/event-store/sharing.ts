// Commits of several gateways on one storage: each decides on what all of them have done.

import { Effect } from "effect"
import { assert } from "vitest"
import { EventStore } from "../../../application/ports/EventStore.ts"
import type { Job } from "../../../domain/batch.ts"
import type { Change, Precondition } from "../../../domain/command.ts"
import type { Event } from "../../../domain/event.ts"
import { fresh, type Law, same } from "../law.ts"
import { atOnce, type Gateways, settled } from "./gateways.ts"
import { globOf } from "./searching.ts"
import { showing } from "./showing.ts"
import { commit, commitAll, del, edit, job, refIn, set, type Written } from "./writing.ts"

const numbers = (length: number) => Array.from({ length }, (_, n) => n)

/** The clock of a gateway: that of the first one stands still, far behind. */
const clockOf = (gateway: number) => (gateway === 0 ? () => 1_000n : undefined)

const expecting = (version: bigint): Precondition =>
  version === 0n ? { _tag: "Absent" } : { _tag: "Versions", versions: [version] }

const eventsOf = (written: ReadonlyArray<Written>): ReadonlyArray<Event> => written.flatMap(({ events }) => events)

const oneWins: Law<Gateways> = {
  name: "of many commits on two gateways that expect one version exactly one wins",
  check: Effect.gen(function* () {
    const domain = fresh("race")
    const ref = refIn(domain, "a")
    const won: Array<Event> = []
    for (let version = 0n; version < 5n; version++) {
      const jobs = numbers(16).map((n) => job(ref, set({ n }), { if: expecting(version) }))
      const written = yield* atOnce(jobs, (one) => commit(domain, [one]))
      const done = written.filter(({ outcomes }) => outcomes[0]?._tag === "Done")
      assert.strictEqual(done.length, 1, "winners")
      won.push(...eventsOf(done))
      yield* settled(domain, won)
    }
  })
}

const changes: ReadonlyArray<(n: number) => Change> = [
  (n) => set({ n }),
  (n) => edit({ n, edited: true }),
  () => del,
  (n) => set({ n, again: true })
]

/** One to three jobs that touch the same few entities again and again. */
const someJobs = (domain: string, n: number): ReadonlyArray<Job> =>
  numbers(1 + (n % 3)).map((i) => job(refIn(domain, `k${(n + i) % 3}`), changes[(n + i) % 4]!(n)))

const oneDomain: Law<Gateways> = {
  name: "two gateways that append to one domain at once lose, repeat and reorder nothing",
  check: Effect.gen(function* () {
    const domain = fresh("both")
    const written = yield* atOnce(numbers(40), (n, gateway) => commit(domain, someJobs(domain, n), clockOf(gateway)))
    const log = yield* settled(domain, eventsOf(written))
    assert.isAbove(log.length, 40)
  })
}

const manyDomains: Law<Gateways> = {
  name: "two gateways that append to many domains at once do so in each as in one",
  check: Effect.gen(function* () {
    const domains = numbers(5).map(() => fresh("both"))
    const written = yield* atOnce(numbers(20), (n, gateway) => {
      // Each in another order, so that who holds some and waits for others is found out.
      const turned = [...domains.slice(n % 5), ...domains.slice(0, n % 5)]
      const ordered = gateway === 0 ? turned : turned.toReversed()
      const parts = ordered.map((domain) => [domain, someJobs(domain, n)] as const)
      return commitAll(parts, clockOf(gateway))
    })
    for (const domain of domains)
      yield* settled(domain, eventsOf(written.flat().filter(({ head }) => head.domain === domain)))
  })
}

const oneKey: Law<Gateways> = {
  name: "an idempotency key that is used on two gateways at once makes one event",
  check: Effect.gen(function* () {
    const domain = fresh("keys")
    const made: Array<Event> = []
    for (const round of numbers(6)) {
      const idempotency = { caller: "me", key: `key ${round}`, hash: "h" }
      const jobs = numbers(6).map(() => job(refIn(domain, "a"), set({ round }), { idempotency }))
      const outcomes = (yield* atOnce(jobs, (one) => commit(domain, [one]))).flatMap((written) => written.outcomes)
      const done = outcomes.filter((outcome) => outcome._tag === "Done")
      assert.strictEqual(done.length, jobs.length, "everybody is told that it is done")
      assert.strictEqual(done.filter(({ replayed }) => !replayed).length, 1, "one did it")
      made.push(...done.find(({ replayed }) => !replayed)!.events)
      for (const { events } of done) same(events, [made.at(-1)], "the events of the key")
      yield* settled(domain, made)
    }
  })
}

const oneBirth: Law<Gateways> = {
  name: "a domain that is born on two gateways at once has one incarnation",
  check: Effect.gen(function* () {
    for (const _ of numbers(10)) {
      const domain = fresh("born")
      const written = yield* atOnce(numbers(2), (n) => commit(domain, [job(refIn(domain, `k${n}`), set({ n }))]))
      yield* settled(domain, eventsOf(written))
      const heads = yield* atOnce(numbers(2), () => EventStore.use((store) => store.heads(globOf(domain), 2)))
      const incarnations = [...written.map(({ head }) => head), ...heads.flat()].map(({ incarnation }) => incarnation)
      assert.strictEqual(incarnations.length, 4)
      assert.strictEqual(new Set(incarnations).size, 1, "incarnations")
    }
  })
}

const rejections: Law<Gateways> = {
  name: "what is rejected of a batch leaves the rest of it alone, whoever else commits",
  check: Effect.gen(function* () {
    const contested = fresh("contested")
    const made: Array<Event> = []
    for (let version = 0n; version < 5n; version++) {
      const rounds = yield* atOnce(numbers(2), (n) =>
        Effect.gen(function* () {
          const [first, refused, last] = [fresh("first"), fresh("refused"), fresh("last")]
          const written = yield* commitAll([
            [first, [job(refIn(first, "a"), set({}))]],
            [
              contested,
              [
                job(refIn(contested, `before ${n}`), edit({ version: String(version) })),
                job(refIn(contested, "a"), set({ n }), { if: expecting(version) }),
                job(refIn(contested, `after ${n}`), edit({ version: String(version) }))
              ]
            ],
            [refused, [job(refIn(refused, "a"), set({}), { if: expecting(7n) })]],
            [last, [job(refIn(last, "a"), set({}))]]
          ])
          return { written, domains: [first, contested, refused, last] }
        })
      )
      const middle = rounds.map(({ written }) => written[1]!)
      const tags = middle.map(({ outcomes }) => outcomes.map(({ _tag }) => _tag).join())
      assert.sameMembers(tags, ["Done,Done,Done", "Done,Rejected,Done"])
      made.push(...eventsOf(middle))
      yield* settled(contested, made)
      for (const { written, domains } of rounds)
        for (const i of [0, 2, 3]) {
          assert.strictEqual(written[i]!.outcomes[0]?._tag, i === 2 ? "Rejected" : "Done")
          assert.strictEqual((yield* settled(domains[i]!, written[i]!.events)).length, i === 2 ? 0 : 1)
        }
    }
  })
}

export const sharing = [oneWins, oneDomain, manyDomains, oneKey, oneBirth, rejections, ...showing]
