import { describe, expect, it } from "@effect/vitest"
import { Duration, Effect, Fiber, Result } from "effect"
import { TestClock } from "effect/testing"
import {
  claimMsMax,
  claimMsMin,
  claimWaitMsMax,
  rivalDomainsMax,
  rivalRounds,
  turnMsMax
} from "../../../application/limits.ts"
import { Turns } from "../../../application/storage/commit-records/claim-slots.ts"
import { claims } from "../../../application/storage/commit-records/commits.ts"
import type { ClaimRecord } from "../../../application/storage/commit-records/primitives.ts"
import { recordOf } from "../../../application/storage/commit-records/record.ts"
import { type Event, evolve } from "../../../domain/event.ts"
import { draftUnit } from "../../contract/event-store/writing.ts"
import { range } from "../samples.ts"
import { primitivesOver, Rows } from "./simulated-rows.ts"

const nameOf = (turns: Turns) => turns.newId().split("/")[0]!
const nameOfRecord = ({ id }: ClaimRecord) => id.split("/")[0]!

/** Another gateway claims, and does nothing more. */
const claimBy = (rows: Rows, name: string): Event => {
  const { position, incarnation } = rows.marks.get("shop")!
  const before = rows.event("shop", position)!
  const entity = { ...before.entity, version: before.entity.version + 1n }
  const event: Event = { ...before, id: crypto.randomUUID(), position: position + 1n, time: before.time + 1n, entity }
  rows.claim(recordOf({ id: `${name}/${event.id}`, domain: "shop", incarnation, events: [event] }))
  return event
}

describe("turns", () => {
  it("go round in the order of names, and whoever has just claimed comes last", () => {
    const ring = range(4).map(() => new Turns())
    ring.sort((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1))
    for (const [i, turns] of ring.entries()) {
      for (const other of ring) turns.lost("d", other.newId(), 0)
      for (const [last, other] of ring.entries()) {
        turns.lost("d", other.newId(), 0)
        expect(turns.ahead("d", 0)).toBe((i - last - 1 + 4) % 4)
      }
      turns.won("d", claimMsMin)
      expect(turns.ahead("d", 0)).toBe(3)
      expect(turns.ahead("another", 0)).toBe(0)
    }
  })

  it("are not kept for who was not seen for a while", () => {
    const turns = new Turns()
    turns.lost("d", new Turns().newId(), 0)
    expect(turns.ahead("d", 1) + turns.ahead("d", 2)).toBeLessThan(3)
    expect(turns.ahead("d", 60_000)).toBe(0)
    turns.won("d", claimMsMin)
    expect(turns.ahead("d", 60_000)).toBe(0)
  })

  it("are passed on, and forgotten, in time, however long a commit once took", () => {
    const turns = new Turns()
    turns.lost("d", new Turns().newId(), 0)
    for (const _ of range(20)) {
      turns.claimed(60_000)
      turns.won("d", 60_000)
    }
    expect(turns.slotMs).toBeLessThan(3 * claimWaitMsMax)
    expect(turns.ahead("d", 4 * rivalRounds * claimWaitMsMax + 1)).toBe(0)
  })

  it("are given to gateways of the version before, whose records have no names, as if they were one", () => {
    for (const turns of range(20).map(() => new Turns())) {
      for (const i of range(100)) turns.lost("d", `${i}`, 0)
      expect(turns.ahead("d", 0)).toBeLessThan(2)
    }
  })

  it("are not waited for because of a record of one's own", () => {
    const turns = new Turns()
    turns.lost("d", turns.newId(), 0)
    expect(turns.ahead("d", 0)).toBe(0)
  })

  it("are known of so many domains, and found out about again in others", () => {
    const turns = new Turns()
    const rival = new Turns()
    for (const i of range(rivalDomainsMax + 1)) turns.lost(`d${i}`, rival.newId(), 0)
    turns.won("d0", claimMsMin)
    expect(turns.ahead("d0", 0)).toBe(0)
  })

  it.effect("of others who are slow, and many, and then gone, are not waited for longer", () => {
    const rows = new Rows()
    const claimMs = 900
    const store = primitivesOver(rows, (name, act) =>
      Effect.andThen(Effect.sleep(name === "claim" ? claimMs : 1), Effect.sync(act))
    )
    return Effect.gen(function* () {
      const { commit } = claims(store)
      const timed = Effect.fnUntraced(function* () {
        const fiber = yield* Effect.forkChild(Effect.timed(commit([draftUnit("shop", [{ key: "a" }]).unit])))
        while (fiber.pollUnsafe() === undefined) yield* TestClock.adjust(1)
        const [took, [result]] = yield* Fiber.join(fiber)
        expect(Result.isSuccess(result!)).toBe(true)
        return Duration.toMillis(took)
      })
      for (const _ of range(8)) yield* timed()
      for (const _ of range(8)) {
        claimBy(rows, nameOf(new Turns()))
        yield* timed()
      }
      expect(yield* timed()).toBeLessThan(turnMsMax + 2 * claimMs)
    })
  })

  it.effect("of others that pass let those join who have come meanwhile", () => {
    const rows = new Rows()
    const store = primitivesOver(rows, (_, act) => Effect.andThen(Effect.sleep(1), Effect.sync(act)))
    return Effect.gen(function* () {
      const { commit } = claims(store)
      let joined = 0
      const join = () => {
        joined += 1
      }
      const begun = () => Effect.forkChild(commit([{ ...draftUnit("shop", [{ key: "a" }]).unit, join }]))
      const ended = Effect.fnUntraced(function* (fiber: Effect.Success<ReturnType<typeof begun>>) {
        while (fiber.pollUnsafe() === undefined) yield* TestClock.adjust(1)
        expect(Result.isSuccess((yield* Fiber.join(fiber))[0]!)).toBe(true)
      })
      yield* ended(yield* begun())
      const own = nameOfRecord(rows.record({ domain: "shop", position: 1n })!)
      const names = range(4).map(() => nameOf(new Turns()))
      for (const name of names) {
        claimBy(rows, name)
        yield* ended(yield* begun())
      }
      joined = 0
      const last = yield* begun()
      // In the order in which they come behind this one.
      const ring = [...names, own].sort()
      for (const name of [...ring, ...ring].slice(ring.indexOf(own) + 1).slice(0, names.length)) {
        yield* TestClock.adjust(3)
        const event = claimBy(rows, name)
        rows.putEvent("shop", event)
        rows.putState(evolve(event))
        rows.moveMark({ ...rows.marks.get("shop")!, position: event.position, time: event.time, eventId: event.id })
      }
      yield* ended(last)
      expect(joined).toBeGreaterThan(2)
    })
  })

  it.effect("that never come are not hoped for without end: who has decided is told that nothing is stored", () => {
    const rows = new Rows()
    const store = primitivesOver(rows, (_, act) => Effect.andThen(Effect.sleep(10), Effect.sync(act)))
    return Effect.gen(function* () {
      const other = claims(store)
      const late: typeof store = {
        ...store,
        claim: (record) => Effect.andThen(other.commit([draftUnit("shop", [{ key: "b" }]).unit]), store.claim(record))
      }
      const { commit } = claims(late)
      const fiber = yield* Effect.forkChild(Effect.timed(commit([draftUnit("shop", [{ key: "a" }]).unit])))
      while (fiber.pollUnsafe() === undefined) yield* TestClock.adjust(1)
      const [took, [result]] = yield* Fiber.join(fiber)
      expect(result).toMatchObject({ failure: { _tag: "Unavailable" } })
      expect(Duration.toMillis(took)).toBeLessThan(claimMsMax + turnMsMax)
      expect([...rows.states.values()].map(({ key }) => key)).toEqual(["b"])
    })
  })

  it.effect("keep gateways that all have much to do out of each other's way, and none waits for ever", () => {
    const rows = new Rows()
    let claimed = 0
    // Each thing that a store does takes it a millisecond, and a claim four.
    const store = primitivesOver(rows, (name, act) => {
      if (name === "claim") claimed += 1
      return Effect.andThen(Effect.sleep(name === "claim" ? 4 : 1), Effect.sync(act))
    })
    const [gateways, commits] = [4, 20]
    return Effect.gen(function* () {
      const running = yield* Effect.forEach(range(gateways), () => {
        const { commit } = claims(store)
        const one = Effect.suspend(() => commit([draftUnit("shop", [{ key: "a" }]).unit]))
        return Effect.forkChild(Effect.replicateEffect(one, commits))
      })
      while (running.some((fiber) => fiber.pollUnsafe() === undefined)) yield* TestClock.adjust(1)
      const results = yield* Fiber.joinAll(running)
      expect(results.flat(2).every(Result.isSuccess)).toBe(true)
      expect(rows.marks.get("shop")?.position).toBe(BigInt(gateways * commits))
      // Without turns, every other claim is lost.
      expect(claimed).toBeLessThan(1.5 * gateways * commits)
    })
  })
})
