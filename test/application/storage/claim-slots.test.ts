import { describe, expect, it } from "@effect/vitest"
import { Duration, Effect, Fiber, Result } from "effect"
import { TestClock } from "effect/testing"
import {
  claimSlotMsMin,
  claimSlotWaitMsMax,
  contenderDomainsMax,
  contenderRounds,
  peerCommitMsMax,
  recordCommitMsMax
} from "../../../application/limits.ts"
import type { Batch } from "../../../application/ports/EventStore.ts"
import { ClaimSlots } from "../../../application/storage/commit-records/claim-slots.ts"
import { commitRecords } from "../../../application/storage/commit-records/commits.ts"
import type { CommitRecord } from "../../../application/storage/commit-records/primitives.ts"
import { recordOf } from "../../../application/storage/commit-records/record.ts"
import { type Event, evolve } from "../../../domain/event.ts"
import { draftBatch } from "../../contract/event-store/writing.ts"
import { range } from "../samples.ts"
import { primitivesOver, Rows } from "./simulated-rows.ts"

const nameOf = (slots: ClaimSlots) => slots.newId().split("/")[0]!
const nameOfRecord = ({ id }: CommitRecord) => id.split("/")[0]!

/** Another gateway inserts a record, and stops. */
const insertBy = (rows: Rows, name: string): Event => {
  const { position, incarnation } = rows.applied.get("shop")!
  const before = rows.event("shop", position)!
  const entity = { ...before.entity, version: before.entity.version + 1n }
  const event: Event = { ...before, id: crypto.randomUUID(), position: position + 1n, time: before.time + 1n, entity }
  rows.insert(recordOf({ id: `${name}/${event.id}`, domain: "shop", incarnation, events: [event] }))
  return event
}

describe("claim slots", () => {
  it("go round in the order of names, and the gateway that has just committed comes last", () => {
    const ring = range(4).map(() => new ClaimSlots())
    ring.sort((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1))
    for (const [i, slots] of ring.entries()) {
      for (const other of ring) slots.onRecord("d", other.newId(), 0)
      for (const [last, other] of ring.entries()) {
        slots.onRecord("d", other.newId(), 0)
        expect(slots.ahead("d", 0)).toBe((i - last - 1 + 4) % 4)
      }
      slots.onCommit("d", claimSlotMsMin)
      expect(slots.ahead("d", 0)).toBe(3)
      expect(slots.ahead("another", 0)).toBe(0)
    }
  })

  it("are not kept for a gateway that was not seen for a while", () => {
    const slots = new ClaimSlots()
    slots.onRecord("d", new ClaimSlots().newId(), 0)
    expect(slots.ahead("d", 1) + slots.ahead("d", 2)).toBeLessThan(3)
    expect(slots.ahead("d", 60_000)).toBe(0)
    slots.onCommit("d", claimSlotMsMin)
    expect(slots.ahead("d", 60_000)).toBe(0)
  })

  it("are passed on, and forgotten, in time, however long a commit once took", () => {
    const slots = new ClaimSlots()
    slots.onRecord("d", new ClaimSlots().newId(), 0)
    for (const _ of range(20)) {
      slots.onInsert(60_000)
      slots.onCommit("d", 60_000)
    }
    expect(slots.slotMs).toBeLessThan(3 * peerCommitMsMax)
    expect(slots.ahead("d", 4 * contenderRounds * peerCommitMsMax + 1)).toBe(0)
  })

  it("are given to gateways of the version before, whose records have no names, as if they were one", () => {
    for (const slots of range(20).map(() => new ClaimSlots())) {
      for (const i of range(100)) slots.onRecord("d", `${i}`, 0)
      expect(slots.ahead("d", 0)).toBeLessThan(2)
    }
  })

  it("are not waited for because of a record of one's own", () => {
    const slots = new ClaimSlots()
    slots.onRecord("d", slots.newId(), 0)
    expect(slots.ahead("d", 0)).toBe(0)
  })

  it("are known of so many domains, and found out about again in others", () => {
    const slots = new ClaimSlots()
    const contender = new ClaimSlots()
    for (const i of range(contenderDomainsMax + 1)) slots.onRecord(`d${i}`, contender.newId(), 0)
    slots.onCommit("d0", claimSlotMsMin)
    expect(slots.ahead("d0", 0)).toBe(0)
  })

  it.effect("of others who are slow, and many, and then gone, are not waited for longer", () => {
    const rows = new Rows()
    const insertMs = 900
    const store = primitivesOver(rows, (name, act) =>
      Effect.andThen(Effect.sleep(name === "insert" ? insertMs : 1), Effect.sync(act))
    )
    return Effect.gen(function* () {
      const { commit } = commitRecords(store)
      const timed = Effect.fnUntraced(function* () {
        const fiber = yield* Effect.forkChild(Effect.timed(commit([draftBatch("shop", [{ key: "a" }]).batch])))
        while (fiber.pollUnsafe() === undefined) yield* TestClock.adjust(1)
        const [took, [result]] = yield* Fiber.join(fiber)
        expect(Result.isSuccess(result!)).toBe(true)
        return Duration.toMillis(took)
      })
      for (const _ of range(8)) yield* timed()
      for (const _ of range(8)) {
        insertBy(rows, nameOf(new ClaimSlots()))
        yield* timed()
      }
      expect(yield* timed()).toBeLessThan(claimSlotWaitMsMax + 2 * insertMs)
    })
  })

  it.effect("of other gateways add later jobs to a waiting batch", () => {
    const rows = new Rows()
    const store = primitivesOver(rows, (_, act) => Effect.andThen(Effect.sleep(1), Effect.sync(act)))
    return Effect.gen(function* () {
      const { commit } = commitRecords(store)
      let versions = 0
      let decided = 0
      const growing = (version = 0): Batch => {
        const { batch } = draftBatch("shop", [{ key: "a" }])
        const withLaterJobs = (): Batch => {
          versions += 1
          return growing(versions)
        }
        const decide: Batch["decide"] = (snapshot) => {
          decided = version
          return batch.decide(snapshot)
        }
        return { ...batch, withLaterJobs, decide }
      }
      const begun = () => Effect.forkChild(commit([growing()]))
      const ended = Effect.fnUntraced(function* (fiber: Effect.Success<ReturnType<typeof begun>>) {
        while (fiber.pollUnsafe() === undefined) yield* TestClock.adjust(1)
        expect(Result.isSuccess((yield* Fiber.join(fiber))[0]!)).toBe(true)
      })
      yield* ended(yield* begun())
      const own = nameOfRecord(rows.record({ domain: "shop", position: 1n })!)
      const names = range(4).map(() => nameOf(new ClaimSlots()))
      for (const name of names) {
        insertBy(rows, name)
        yield* ended(yield* begun())
      }
      versions = 0
      const last = yield* begun()
      // In the order in which they come behind this one.
      const ring = [...names, own].sort()
      for (const name of [...ring, ...ring].slice(ring.indexOf(own) + 1).slice(0, names.length)) {
        yield* TestClock.adjust(3)
        const event = insertBy(rows, name)
        rows.putEvent("shop", event)
        rows.putState(evolve(event))
        rows.advanceApplied({
          ...rows.applied.get("shop")!,
          position: event.position,
          time: event.time,
          eventId: event.id
        })
      }
      yield* ended(last)
      expect(versions).toBeGreaterThan(2)
      expect(decided).toBe(versions)
    })
  })

  it.effect("that never come are not hoped for without end: who has decided is told that nothing is stored", () => {
    const rows = new Rows()
    const store = primitivesOver(rows, (_, act) => Effect.andThen(Effect.sleep(10), Effect.sync(act)))
    return Effect.gen(function* () {
      const other = commitRecords(store)
      const late: typeof store = {
        ...store,
        insertRecord: (record) =>
          Effect.andThen(other.commit([draftBatch("shop", [{ key: "b" }]).batch]), store.insertRecord(record))
      }
      const { commit } = commitRecords(late)
      const fiber = yield* Effect.forkChild(Effect.timed(commit([draftBatch("shop", [{ key: "a" }]).batch])))
      while (fiber.pollUnsafe() === undefined) yield* TestClock.adjust(1)
      const [took, [result]] = yield* Fiber.join(fiber)
      expect(result).toMatchObject({ failure: { _tag: "Unavailable" } })
      expect(Duration.toMillis(took)).toBeLessThan(recordCommitMsMax + claimSlotWaitMsMax)
      expect([...rows.states.values()].map(({ key }) => key)).toEqual(["b"])
    })
  })

  it.effect("keep gateways that all have much to do out of each other's way, and none waits for ever", () => {
    const rows = new Rows()
    let inserted = 0
    // Each call takes a millisecond, and an insert four.
    const store = primitivesOver(rows, (name, act) => {
      if (name === "insert") inserted += 1
      return Effect.andThen(Effect.sleep(name === "insert" ? 4 : 1), Effect.sync(act))
    })
    const [gateways, commits] = [4, 20]
    return Effect.gen(function* () {
      const running = yield* Effect.forEach(range(gateways), () => {
        const { commit } = commitRecords(store)
        const one = Effect.suspend(() => commit([draftBatch("shop", [{ key: "a" }]).batch]))
        return Effect.forkChild(Effect.replicateEffect(one, commits))
      })
      while (running.some((fiber) => fiber.pollUnsafe() === undefined)) yield* TestClock.adjust(1)
      const results = yield* Fiber.joinAll(running)
      expect(results.flat(2).every(Result.isSuccess)).toBe(true)
      expect(rows.applied.get("shop")?.position).toBe(BigInt(gateways * commits))
      // Without slots, every other insert finds a record of another gateway.
      expect(inserted).toBeLessThan(1.5 * gateways * commits)
    })
  })
})
