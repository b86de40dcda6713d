// What must hold after any commands whatever: the promises that stores and streams are built on.

import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { decideBatch, type Job, keyText, type Snapshot } from "../../domain/batch.ts"
import type { Change, Command, Precondition } from "../../domain/command.ts"
import { refText } from "../../domain/entity.ts"
import { type Event, fold, methods } from "../../domain/event.ts"
import type { JsonObject } from "../../domain/json.ts"

const values = fc.dictionary(
  fc.constantFrom("a", "b", "__proto__"),
  fc.integer({ min: 0, max: 3 })
) as fc.Arbitrary<JsonObject>
const changes: fc.Arbitrary<Change> = fc.oneof(
  fc.record({ _tag: fc.constantFrom("Set" as const, "Edit" as const, "Revert" as const), values }),
  fc.constant<Change>({ _tag: "Del" })
)
const preconditions: fc.Arbitrary<Precondition> = fc.oneof(
  { weight: 4, arbitrary: fc.constant<Precondition>({ _tag: "None" }) },
  fc.constantFrom<Precondition>({ _tag: "Absent" }, { _tag: "Exists" }),
  fc.bigInt({ min: 0n, max: 4n }).map((version): Precondition => ({ _tag: "Versions", versions: [version] }))
)
const commands: fc.Arbitrary<Command> = fc.record({
  ref: fc.record({ domain: fc.constant("d"), type: fc.constantFrom("t", "u"), key: fc.constantFrom("1", "2") }),
  change: changes,
  precondition: preconditions
})
const keys = fc.constantFrom("k1", "k2").map((key) => ({ caller: "c", key, hash: "h" }))
const jobs: fc.Arbitrary<Job> = fc.oneof(
  { weight: 3, arbitrary: fc.array(commands, { minLength: 1, maxLength: 1 }).map((list) => jobOf(list, false)) },
  fc.array(commands, { minLength: 1, maxLength: 5 }).map((list) => jobOf(list, true)),
  fc.tuple(fc.array(commands, { minLength: 1, maxLength: 3 }), keys).map(([list, idempotency]) => ({
    ...jobOf(list, true),
    idempotency
  }))
)
const jobOf = (list: ReadonlyArray<Command>, parts: boolean): Job => ({
  domain: "d",
  commands: list,
  parts,
  claims: {}
})
const batches = fc.array(fc.tuple(fc.array(jobs, { maxLength: 8 }), fc.bigInt({ min: 0n, max: 50n })), { maxLength: 6 })

/** A store as small as it gets: what it holds is changed only by appending. */
class Log {
  readonly events: Array<Event> = []
  snapshot(): Snapshot {
    const states = fold(this.events)
    const events = [...this.events]
    return {
      position: BigInt(events.length),
      time: events.at(-1)?.time ?? 0n,
      eventId: events.at(-1)?.id ?? "",
      state: (ref) => states.get(refText(ref)),
      remembered: (caller, key) =>
        events.filter(({ idempotency: had }) => had && keyText(had.caller, had.key) === keyText(caller, key))
    }
  }
}

const circumstances = (now: bigint, seed: number) => {
  let next = 0
  return { now, newId: () => `${seed}-${next++}`, eventsMax: 6, bytesMax: 6000 }
}

describe("any log", () => {
  it("has positions without a gap, rising times, ids of its own, and versions that count", () => {
    let made = 0
    fc.assert(
      fc.property(batches, (list) => {
        const log = new Log()
        for (const [i, [work, now]] of list.entries()) {
          const { events, outcomes } = decideBatch(log.snapshot(), work, circumstances(now, i))
          expect(outcomes).toHaveLength(work.length)
          const made = outcomes.flatMap((outcome) =>
            outcome._tag === "Done" && !outcome.replayed ? outcome.events : []
          )
          expect(made).toEqual(events)
          log.events.push(...events)
        }
        const versions = new Map<string, bigint>()
        for (const [i, event] of log.events.entries()) {
          expect(event.position).toBe(BigInt(i) + 1n)
          if (i > 0) expect(event.time).toBeGreaterThan(log.events[i - 1]!.time)
          const ref = refText(event.entity)
          expect(event.entity.version).toBe((versions.get(ref) ?? 0n) + 1n)
          versions.set(ref, event.entity.version)
        }
        expect(new Set(log.events.map(({ id }) => id)).size).toBe(log.events.length)
        made += log.events.length
      })
    )
    expect(made).toBeGreaterThan(200)
  })

  it("folds to the states that its commands say, one by one", () => {
    fc.assert(
      fc.property(batches, (list) => {
        const log = new Log()
        for (const [i, [work, now]] of list.entries()) {
          const { outcomes } = decideBatch(log.snapshot(), work, circumstances(now, i))
          for (const [at, outcome] of outcomes.entries()) {
            if (outcome._tag !== "Done" || outcome.replayed) continue
            for (const [part, event] of outcome.events.entries()) {
              const { ref, change } = work[at]!.commands[part]!
              const before = fold(log.events).get(refText(ref))
              log.events.push(event)
              const now = fold(log.events).get(refText(ref))!
              expect(now.deleted).toBe(change._tag === "Del")
              expect(event.method).toBe(methods[change._tag.toLowerCase() as keyof typeof methods])
              expect(Object.entries(now.values).sort()).toEqual(expected(change, before).sort())
            }
          }
        }
      })
    )
  })

  it("is the same however often it is decided: nothing is kept between tries, and nothing given is touched", () => {
    fc.assert(
      fc.property(batches, (list) => {
        const log = new Log()
        for (const [i, [work, now]] of list.entries()) {
          const before = structuredClone([work, log.events])
          const snapshot = log.snapshot()
          const first = decideBatch(snapshot, work, circumstances(now, i))
          expect(decideBatch(snapshot, work, circumstances(now, i))).toEqual(first)
          expect([work, log.events]).toEqual(before)
          log.events.push(...first.events)
        }
      })
    )
  })

  it("is the same whether jobs come together or one at a time", () => {
    fc.assert(
      fc.property(fc.array(jobs, { maxLength: 12 }), (work) => {
        const wide = { now: 5n, eventsMax: 1000, bytesMax: 1e9 }
        const together = decideBatch(new Log().snapshot(), work, { ...wide, newId: () => "id" })
        const log = new Log()
        for (const one of work) {
          log.events.push(...decideBatch(log.snapshot(), [one], { ...wide, newId: () => "id" }).events)
        }
        expect(log.events).toEqual(together.events)
      })
    )
  })
})

/** What an entity's values are after a change, by its words. */
const expected = (change: Change, before: { values: JsonObject; deleted: boolean } | undefined) => {
  const old = before === undefined || before.deleted ? {} : before.values
  if (change._tag === "Del") return Object.entries(old)
  if (change._tag !== "Edit") return Object.entries(change.values)
  return [...new Map([...Object.entries(old), ...Object.entries(change.values)])]
}
