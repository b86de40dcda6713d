import { describe, expect, it } from "@effect/vitest"
import { Effect, Fiber, Result } from "effect"
import { TestClock } from "effect/testing"
import { Turns } from "../../application/claims/turns.ts"
import { claims } from "../../application/claims.ts"
import { claimMsMin, rivalDomainsMax } from "../../application/limits.ts"
import { draftUnit } from "../contract/event-store/writing.ts"
import { primitivesOver, Rows } from "./claims-rows.ts"
import { range } from "./samples.ts"

const nameOf = (turns: Turns) => turns.newId().split("/")[0]!

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
      turns.won("d", claimMsMin, claimMsMin)
      expect(turns.ahead("d", 0)).toBe(3)
      expect(turns.ahead("another", 0)).toBe(0)
    }
  })

  it("are not kept for who was not seen for a while", () => {
    const turns = new Turns()
    turns.lost("d", new Turns().newId(), 0)
    expect(turns.ahead("d", 1) + turns.ahead("d", 2)).toBeLessThan(3)
    expect(turns.ahead("d", 60_000)).toBe(0)
    turns.won("d", claimMsMin, claimMsMin)
    expect(turns.ahead("d", 60_000)).toBe(0)
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
    turns.won("d0", claimMsMin, claimMsMin)
    expect(turns.ahead("d0", 0)).toBe(0)
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
