import { Effect, Exit, Result } from "effect"
import { TestClock } from "effect/testing"
import fc from "fast-check"
import { assert, test } from "vitest"
import { commitEventsMax, headsSliceMax, recordBytesMax } from "../../../application/limits.ts"
import { commitRecords } from "../../../application/storage/commit-records/commits.ts"
import type { CommitPrimitives } from "../../../application/storage/commit-records/primitives.ts"
import { commitOf, recordFormat, recordOf } from "../../../application/storage/commit-records/record.ts"
import { decideBatch } from "../../../domain/batch.ts"
import type { Event } from "../../../domain/event.ts"
import { draftBatch, job, set } from "../../contract/event-store/writing.ts"
import { same } from "../../contract/law.ts"
import { searches } from "../../support/searches.ts"
import { directly, primitivesOver, Rows } from "./simulated-rows.ts"

// What a record holds, and what becomes of one that this version cannot read.

test("a record holds its events, to the last bit", () => {
  fc.assert(
    fc.property(searches("event"), ({ subjects }) => {
      const events = (subjects as ReadonlyArray<Event>).map((event) => ({
        ...event,
        entity: { ...event.entity, domain: "shop" }
      }))
      const commit = { id: "mine", domain: "shop", incarnation: "0123456789abcdef", events }
      const record = recordOf(commit)
      same(commitOf(record), commit, "the commit")
      same([record.domain, record.position, record.id], ["shop", events[0]!.position, "mine"], "its place")
    })
  )
})

test("no commit that may be made takes more room than databases have for one record", () => {
  // Everything that is escaped when it is written, and the more so when what was written is.
  const sub = '"'.repeat(4000)
  const idempotency = { caller: JSON.stringify(["", sub]), key: "\u0001".repeat(255), hash: "h".repeat(64) }
  const key = "\\".repeat(255)
  for (const values of [{}, { text: '"'.repeat(4000) }, { text: "\u0001".repeat(600) }, { text: "é".repeat(1000) }]) {
    const jobs = Array.from({ length: commitEventsMax }, (_, n) => ({
      ...job({ domain: "shop", type: key, key: `${n}${key.slice(4)}` }, set(values), { claims: { sub } }),
      idempotency: { ...idempotency, key: `${idempotency.key.slice(4)}${n}` }
    }))
    const snapshot = { position: 0n, time: 0n, eventId: "", state: () => undefined, remembered: () => [] }
    const most = { eventsMax: commitEventsMax, bytesMax: recordBytesMax }
    const { events } = decideBatch(snapshot, jobs, { ...most, now: 2n ** 62n, newId: () => crypto.randomUUID() })
    const { text } = recordOf({ id: "mine", domain: "shop", incarnation: "0123456789abcdef", events })
    assert.isAbove(events.length, 100)
    assert.isBelow(Buffer.byteLength(text), 15_000_000)
  }
})

/** A domain with one commit, and behind it another whose record says that it is of the next format. */
const newer = Effect.fnUntraced(function* () {
  const rows = new Rows()
  const primitives = primitivesOver(rows, directly)
  yield* commitRecords(primitives).commit([draftBatch("shop", [{ key: "a" }]).batch])
  const { batch } = draftBatch("shop", [{ key: "b" }])
  // Its owner inserts the record and stops.
  const insertRecord: CommitPrimitives["insertRecord"] = (record) =>
    primitives.insertRecord({ ...record, format: recordFormat + 1 })
  yield* Effect.forkChild(
    commitRecords({ ...primitives, insertRecord, projectEvents: () => Effect.never }).commit([batch])
  )
  yield* Effect.yieldNow
  assert.strictEqual(rows.record({ domain: "shop", position: 2n })?.format, recordFormat + 1)
  return { rows, primitives }
})

/** Time passes while somebody waits. */
const inTime = <A, E>(effect: Effect.Effect<A, E>) =>
  Effect.gen(function* () {
    yield* Effect.forkChild(Effect.forever(Effect.andThen(TestClock.adjust(100), Effect.yieldNow)))
    return yield* effect
  }).pipe(Effect.scoped, Effect.provide(TestClock.layer()), Effect.runPromise)

const reason = "a newer version of the gateway is at work here"

test("a commit of an unknown format is neither finished nor passed, and the reason is told", () =>
  inTime(
    Effect.gen(function* () {
      const { rows, primitives } = yield* newer()
      const { commit, head, withPendingFinished, checkReadable } = commitRecords(primitives)
      const applied = rows.applied.get("shop")!
      yield* checkReadable
      const [result] = yield* commit([draftBatch("shop", [{ key: "c" }]).batch])
      assert.include(String(Result.isFailure(result!) && result.failure), reason)
      for (const use of [head("shop"), head("shop", 2n), checkReadable])
        assert.include(String(yield* Effect.exit<unknown, unknown, never>(use)), reason)
      // What is below it can be read, and other domains are as they were.
      same(yield* head("shop", 1n), applied, "the head, for who needs no more")
      same(yield* withPendingFinished([applied]), [applied], "heads")
      const [elsewhere] = yield* commit([draftBatch("warehouse", [{ key: "c" }]).batch])
      assert.isTrue(Result.isSuccess(elsewhere!))
      assert.strictEqual(rows.events.size, 2, "nothing of it was written")
    })
  ))

test("once a newer gateway has finished it, an older one goes on", () =>
  inTime(
    Effect.gen(function* () {
      const { rows, primitives } = yield* newer()
      const { commit, checkReadable } = commitRecords(primitives)
      yield* commit([draftBatch("shop", [{ key: "c" }]).batch])
      assert.isTrue(Exit.isFailure(yield* Effect.exit(checkReadable)))
      yield* primitives.advanceApplied({ ...rows.applied.get("shop")!, position: 2n })
      yield* checkReadable
      const [result] = yield* commit([draftBatch("shop", [{ key: "c" }]).batch])
      assert.strictEqual(Result.isSuccess(result!) && result.success.position, 3n)
    })
  ))

test("applied heads are finished where a record stands at the next position", () =>
  inTime(
    Effect.gen(function* () {
      const rows = new Rows()
      const primitives = primitivesOver(rows, directly)
      const { commit, withPendingFinished } = commitRecords(primitives)
      for (const domain of ["quiet", "left"]) yield* commit([draftBatch(domain, [{ key: "a" }]).batch])
      const heads = ["left", "quiet"].map((domain) => rows.applied.get(domain)!)
      const { batch, made } = draftBatch("left", [{ key: "a" }, { key: "b" }])
      yield* Effect.forkChild(commitRecords({ ...primitives, projectEvents: () => Effect.never }).commit([batch]))
      yield* Effect.yieldNow
      const [left, quiet] = yield* withPendingFinished(heads)
      same([left?.position, left?.eventId], [3n, made.events[1]!.id], "what was left")
      same(quiet, heads[1], "what was quiet")
    })
  ))

test("however many heads there are, the store is asked about so many at a time", () =>
  inTime(
    Effect.gen(function* () {
      const primitives = primitivesOver(new Rows(), directly)
      const head = { incarnation: "i", position: 1n, time: 1n, eventId: "e" }
      const asked: Array<number> = []
      const recordsAt: typeof primitives.recordsAt = (positions) => {
        asked.push(positions.length)
        return primitives.recordsAt(positions)
      }
      const heads = Array.from({ length: 2 * headsSliceMax + 1 }, (_, i) => ({ domain: `d${i}`, ...head }))
      same(yield* commitRecords({ ...primitives, recordsAt }).withPendingFinished(heads), heads, "heads")
      assert.deepStrictEqual(asked, [headsSliceMax, headsSliceMax, 1])
    })
  ))

test("everything that readers look at can be made again from the records", () =>
  inTime(
    Effect.gen(function* () {
      const rows = new Rows()
      const { commit, head } = commitRecords(primitivesOver(rows, directly))
      for (const key of ["a", "b", "a", "c"]) yield* commit([draftBatch("shop", [{ key }, { key: "all" }]).batch])
      const before = [...rows.events, ...rows.states, ...rows.applied]
      for (const lost of [rows.events, rows.states, rows.applied]) lost.clear()
      yield* head("shop")
      same([...rows.events, ...rows.states, ...rows.applied], before, "rows")
    })
  ))
