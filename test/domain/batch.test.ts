import { describe, expect, it } from "vitest"
import {
  type BatchDecision,
  type DecisionContext,
  decideBatch,
  type Job,
  keyText,
  type Snapshot
} from "../../domain/batch.ts"
import type { Change, Command, Precondition } from "../../domain/command.ts"
import { refText } from "../../domain/entity.ts"
import { type Event, fold, type Idempotency, methods } from "../../domain/event.ts"
import { applyBytesMax, valuesBytesMax } from "../../domain/limits.ts"

const none: Precondition = { _tag: "None" }
const set = (key: string, n = 1, precondition: Precondition = none): Command =>
  command(key, { _tag: "Set", values: { n } }, precondition)
const edit = (key: string, more: Record<string, number>): Command => command(key, { _tag: "Edit", values: more })
const del = (key: string): Command => command(key, { _tag: "Del" })
const command = (key: string, change: Change, precondition: Precondition = none): Command => ({
  ref: { domain: "d", type: "t", key },
  change,
  precondition
})
const job = (...commands: ReadonlyArray<Command>): Job => ({ domain: "d", commands, parts: false, claims: {} })
const apply = (...commands: ReadonlyArray<Command>): Job => ({ ...job(...commands), parts: true })
const once = (key: string, hash = "h", caller = "c"): { idempotency: Idempotency } => ({
  idempotency: { caller, key, hash }
})

const ids = () => {
  let next = 0
  return () => `id-${++next}`
}
const circumstances = (more: Partial<DecisionContext> = {}): DecisionContext => ({
  now: 1000n,
  newId: ids(),
  eventsMax: Number.POSITIVE_INFINITY,
  bytesMax: Number.POSITIVE_INFINITY,
  ...more
})

/** The domain as a log makes it. */
const after = (log: ReadonlyArray<Event>): Snapshot => {
  const states = fold(log)
  return {
    position: log.at(-1)?.position ?? 0n,
    time: log.at(-1)?.time ?? 0n,
    eventId: log.at(-1)?.id ?? "",
    state: (ref) => states.get(refText(ref)),
    remembered: (caller, key) =>
      log.filter(({ idempotency: had }) => had && keyText(had.caller, had.key) === keyText(caller, key))
  }
}
const given = (...log: ReadonlyArray<Event>) => ({
  when: (...jobs: ReadonlyArray<Job>) => decideBatch(after(log), jobs, circumstances())
})
const logOf = (...jobs: ReadonlyArray<Job>) => decideBatch(after([]), jobs, circumstances()).events
const tags = (batch: BatchDecision) => batch.outcomes.map((outcome) => outcome._tag)
const shown = (batch: BatchDecision) =>
  batch.events.map(({ position, method, entity }) => [position, method, entity.key, entity.version, entity.values])

describe("a batch", () => {
  it("goes on right behind the head, each job seeing those before it", () => {
    const batch = given(...logOf(job(set("a", 1)))).when(
      job(edit("a", { m: 2 })),
      job(set("b")),
      job(del("a")),
      job(del("a"))
    )
    expect(shown(batch)).toEqual([
      [2n, methods.edit, "a", 2n, { n: 1, m: 2 }],
      [3n, methods.set, "b", 1n, { n: 1 }],
      [4n, methods.del, "a", 3n, { n: 1, m: 2 }]
    ])
    expect(tags(batch)).toEqual(["Done", "Done", "Done", "Rejected"])
  })

  it("gives every job its own events, with claims and key", () => {
    const claims = { sub: "anna" }
    const batch = given().when({ ...job(set("a")), claims }, { ...apply(set("b"), set("c")), ...once("k") })
    expect(batch.outcomes).toEqual([
      { _tag: "Done", events: [batch.events[0]], replayed: false },
      { _tag: "Done", events: [batch.events[1], batch.events[2]], replayed: false }
    ])
    expect(batch.events[0]).toMatchObject({ id: "id-1", claims, erased: false })
    expect(batch.events[0]).not.toHaveProperty("idempotency")
    expect(batch.events.slice(1)).toMatchObject([once("k"), once("k")])
  })

  it("one rejected job fails alone", () => {
    const batch = given().when(job(set("a")), job(del("b")), job(set("c")))
    expect(tags(batch)).toEqual(["Done", "Rejected", "Done"])
    expect(batch.events.map(({ position }) => position)).toEqual([1n, 2n])
  })
})

describe("time", () => {
  const timesAt = (now: bigint, last: bigint) =>
    decideBatch(
      { ...after([]), position: 5n, time: last },
      [job(set("a")), job(set("b")), job(set("c"))],
      circumstances({ now })
    ).events.map(({ time }) => time)

  it("is now, and rises strictly with the position", () => {
    expect(timesAt(1000n, 10n)).toEqual([1000n, 1001n, 1002n])
  })

  it("never goes back behind the log, however late the clock is", () => {
    expect(timesAt(1000n, 1000n)).toEqual([1001n, 1002n, 1003n])
    expect(timesAt(1000n, 999n)).toEqual([1000n, 1001n, 1002n])
    expect(timesAt(1000n, 5000n)).toEqual([5001n, 5002n, 5003n])
  })
})

describe("an Apply", () => {
  it("sees in each command what those before it did", () => {
    const version: Precondition = { _tag: "Versions", versions: [1n] }
    const batch = given().when(
      apply(set("a"), edit("a", { m: 2 }), del("a"), edit("a", { z: 1 }), set("b"), set("b", 2, version))
    )
    expect(shown(batch).map(([, , key, made, values]) => [key, made, values])).toEqual([
      ["a", 1n, { n: 1 }],
      ["a", 2n, { n: 1, m: 2 }],
      ["a", 3n, { n: 1, m: 2 }],
      ["a", 4n, { z: 1 }],
      ["b", 1n, { n: 1 }],
      ["b", 2n, { n: 2 }]
    ])
  })

  it("is refused as a whole, and says which command it was", () => {
    const batch = given().when(apply(set("a"), set("b"), del("c")), job(set("a")))
    expect(batch.outcomes[0]).toEqual({
      _tag: "Rejected",
      rejection: { _tag: "NotFound", message: "commands[2]: the entity does not exist" }
    })
    expect(shown(batch)).toEqual([[1n, methods.set, "a", 1n, { n: 1 }]])
  })

  it("names the part in a conflict, where a single command does not", () => {
    const missing = set("a", 1, { _tag: "Exists" })
    expect(given().when(apply(missing)).outcomes[0]).toMatchObject({
      rejection: { _tag: "Conflict", message: expect.stringMatching(/^commands\[0\]: /), current: 0n }
    })
    expect(given().when(job(missing)).outcomes[0]).toMatchObject({
      rejection: { message: expect.stringMatching(/^the entity/) }
    })
  })

  it("tells the fields of a part", () => {
    const large = command("a", { _tag: "Set", values: { v: "x".repeat(valuesBytesMax) } })
    expect(given().when(apply(set("b"), large)).outcomes[0]).toMatchObject({
      rejection: { _tag: "Invalid", violations: [{ field: "commands[1].values" }] }
    })
  })

  it("is too large when its reply would be", () => {
    const large = (key: string) => command(key, { _tag: "Set", values: { v: "x".repeat(applyBytesMax / 4) } })
    const batch = given().when(apply(...["a", "b", "c", "d"].map(large)), apply(large("a"), large("b"), large("c")))
    expect(batch.outcomes).toMatchObject([{ rejection: { _tag: "TooLarge" } }, { _tag: "Done" }])
    expect(batch.events[0]).toMatchObject({ position: 1n, entity: { version: 1n } })
  })
})

describe("an idempotency key", () => {
  const first = { ...apply(set("a"), set("b")), ...once("k") }

  it("answers a retry with the first events, from the log and from the same batch, and makes none", () => {
    const log = logOf(first)
    expect(given(...log).when(first)).toEqual({ events: [], outcomes: [{ _tag: "Done", events: log, replayed: true }] })
    const together = given().when(first, first)
    expect(together.events).toHaveLength(2)
    expect(together.outcomes).toEqual([
      { _tag: "Done", events: together.events, replayed: false },
      { _tag: "Done", events: together.events, replayed: true }
    ])
  })

  it("answers the first outcome whatever happened since, and whatever the retry would find now", () => {
    const once1 = { ...job(set("a", 1, { _tag: "Absent" })), ...once("k") }
    const log = logOf(once1, job(set("a", 2)), job(del("a")))
    expect(given(...log).when(once1).outcomes).toEqual([{ _tag: "Done", events: [log[0]], replayed: true }])
  })

  it("with another request is refused, in the same batch too", () => {
    const other = { ...job(set("a", 9)), ...once("k", "other") }
    const refused = { _tag: "Rejected", rejection: { _tag: "KeyReused" } }
    expect(given(...logOf(first)).when(other)).toEqual({ events: [], outcomes: [refused] })
    expect(given().when(first, other).outcomes[1]).toEqual(refused)
  })

  it("of one caller is free for another, and in another domain's snapshot", () => {
    const theirs = { ...job(set("a", 9)), ...once("k", "other", "someone else") }
    expect(given(...logOf(first)).when(theirs)).toMatchObject({ outcomes: [{ _tag: "Done", replayed: false }] })
  })

  it("stays free when the call is rejected", () => {
    const batch = given().when({ ...job(del("a")), ...once("k") }, { ...job(set("a")), ...once("k", "other") })
    expect(tags(batch)).toEqual(["Rejected", "Done"])
    const failed = { ...apply(set("x"), del("y")), ...once("k") }
    expect(tags(given().when(failed, { ...job(set("y")), ...once("z") }, failed))).toEqual(["Rejected", "Done", "Done"])
  })
})

describe("a batch that is full", () => {
  const within = (more: Partial<DecisionContext>, ...jobs: ReadonlyArray<Job>) =>
    decideBatch(after([]), jobs, circumstances(more))

  it("defers the first job that does not fit and all behind it, so that nobody overtakes", () => {
    const batch = within(
      { eventsMax: 3 },
      job(set("a")),
      apply(set("b"), set("c"), set("d")),
      job(set("e")),
      job(del("z"))
    )
    expect(tags(batch)).toEqual(["Done", "Deferred", "Deferred", "Deferred"])
    expect(batch.events).toHaveLength(1)
  })

  it("is full to the last event", () => {
    expect(tags(within({ eventsMax: 3 }, apply(set("a"), set("b")), job(set("c")), job(set("d"))))).toEqual([
      "Done",
      "Done",
      "Deferred"
    ])
  })

  it("has room for replays and rejections, which take none", () => {
    const retried = { ...job(set("a")), ...once("k") }
    expect(tags(within({ eventsMax: 1 }, retried, retried, job(del("z")), job(set("b")), retried))).toEqual([
      "Done",
      "Done",
      "Rejected",
      "Deferred",
      "Deferred"
    ])
  })

  it("counts bytes of values, names and claims, in UTF-8", () => {
    const of = (text: string) => job(command(text.slice(0, 1), { _tag: "Set", values: { v: text } }))
    const bytesMax = 2 * 3000
    expect(tags(within({ bytesMax }, of("a".repeat(2000)), of("b".repeat(2000))))).toEqual(["Done", "Done"])
    expect(tags(within({ bytesMax }, of("é".repeat(2000)), of("ö".repeat(2000))))).toEqual(["Done", "Deferred"])
    const claimed = (key: string): Job => ({ ...job(set(key)), claims: { c: "x".repeat(2500) } })
    expect(tags(within({ bytesMax }, claimed("a"), claimed("b")))).toEqual(["Done", "Deferred"])
  })

  it("refuses what no commit could hold, and goes on", () => {
    const batch = within({ eventsMax: 2 }, apply(set("a"), set("b"), set("c")), job(set("d")))
    expect(batch.outcomes).toMatchObject([{ rejection: { _tag: "TooLarge" } }, { _tag: "Done" }])
    expect(batch.events).toMatchObject([{ position: 1n, entity: { key: "d" } }])
  })
})
