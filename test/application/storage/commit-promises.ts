// What must hold of the rows behind commit records, whatever happened to the gateways that wrote them.

import { assert } from "vitest"
import { commitOf } from "../../../application/storage/commit-records/record.ts"
import { refText } from "../../../domain/entity.ts"
import { type Event, fold } from "../../../domain/event.ts"
import { same } from "../../contract/law.ts"
import type { Rows } from "./simulated-rows.ts"

/** One commit that a gateway was asked for, and everything that it decided on the way. */
export interface Asked {
  readonly decided: Array<ReadonlyArray<Event>>
  outcome: "none" | "acked" | "Unavailable" | "OutcomeUnknown" | "Defect"
}

/** The events of all records, which follow each other without a gap and have one incarnation. */
export const recordedLog = (rows: Rows, domain: string): ReadonlyArray<Event> => {
  const log: Array<Event> = []
  const incarnations = new Set<string>()
  for (let found = 0; ; found++) {
    const record = rows.record({ domain, position: BigInt(log.length + 1) })
    if (record === undefined) {
      assert.strictEqual(found, rows.records.size, "no record stands anywhere else")
      assert.isAtMost(incarnations.size, 1, "one incarnation")
      return log
    }
    const commit = commitOf(record)!
    log.push(...commit.events)
    incarnations.add(commit.incarnation)
  }
}

/**
 * At every moment everything up to the applied head can be read, events and entities; and the domain has an applied head,
 * by which it is listed, before its first record.
 */
export const holds = (rows: Rows, domain: string): void => {
  const applied = rows.applied.get(domain)
  assert.isTrue(applied !== undefined || rows.records.size === 0, "every domain with a record is listed")
  // At position 0 there is no event.
  if (applied === undefined || applied.position === 0n) return
  const log = recordedLog(rows, domain).slice(0, Number(applied.position))
  same([log.at(-1)?.id, log.at(-1)?.time], [applied.eventId, applied.time], "the applied head names its event")
  for (const event of log) assert.isDefined(rows.event(domain, event.position), "the applied head is above no gap")
  for (const [ref, { version }] of fold(log)) {
    assert.isTrue((rows.states.get(ref)?.version ?? 0n) >= version, "the applied head is above no old entity")
  }
}

/** Once all commits are finished. */
export const isFolded = (rows: Rows, domain: string): void => {
  const log = recordedLog(rows, domain)
  assert.strictEqual(rows.applied.get(domain)?.position ?? 0n, BigInt(log.length), "applied is the head")
  assert.strictEqual(rows.events.size, log.length, "there are no other rows")
  const versions = new Map<string, bigint>()
  for (const [i, event] of log.entries()) {
    const ref = refText(event.entity)
    assert.strictEqual(event.position, BigInt(i + 1), "positions have no gap")
    assert.strictEqual(event.entity.version, (versions.get(ref) ?? 0n) + 1n, "versions have no gap")
    assert.isTrue(i === 0 || event.time > log[i - 1]!.time, "times rise")
    same(rows.event(domain, event.position), event, "a row is what its record holds")
    versions.set(ref, event.entity.version)
  }
  same([...rows.states].sort(), [...fold(log)].sort(), "entities are the fold of the log")
}

/** Every commit is in the log once if it was acknowledged, not at all if it was refused, and never in part. */
export const isOnceOrNever = (log: ReadonlyArray<Event>, commits: ReadonlyArray<Asked>): void => {
  const ids = log.map(({ id }) => id)
  for (const { decided, outcome } of commits) {
    const there = decided.filter((events) => {
      const found = events.filter(({ id }) => ids.includes(id)).length
      assert.include([0, events.length], found, "a batch is there as a whole or not at all")
      return found > 0
    })
    assert.isAtMost(there.length, 1, "a job is done once")
    if (outcome === "acked") assert.strictEqual(there[0], decided.at(-1)!.length > 0 ? decided.at(-1) : undefined)
    if (outcome === "Unavailable" || outcome === "Defect")
      assert.strictEqual(there.length, 0, "what was refused is not there")
  }
  const makers = new Map<string, unknown>()
  for (const { id, idempotency } of log) {
    if (idempotency === undefined) continue
    const maker = commits.find(({ decided }) => decided.some((events) => events.some((event) => event.id === id)))
    assert.strictEqual(makers.get(idempotency.key) ?? maker, maker, "one call made all events of a key")
    makers.set(idempotency.key, maker)
  }
}
