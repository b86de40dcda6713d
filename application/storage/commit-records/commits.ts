import { Duration, Effect, Random } from "effect"
import { type Head, keyText, type Snapshot } from "../../../domain/batch.ts"
import { refText } from "../../../domain/entity.ts"
import type { Event } from "../../../domain/event.ts"
import { Defect, OutcomeUnknown, Unavailable } from "../../failure.ts"
import {
  batchesAtOnceMax,
  claimSlotWaitMsMax,
  headsSliceMax,
  peerCommitMs,
  recordCommitMsMax,
  recordTriesMax
} from "../../limits.ts"
import { monotonicNow } from "../../monotonic.ts"
import type { Batch, EventStore } from "../../ports/EventStore.ts"
import { emptyHead } from "../heads.ts"
import { outcomeRetry } from "../outcome-retry.ts"
import { ClaimSlots, ewma } from "./claim-slots.ts"
import type { CommitPrimitives, CommitRecord, LogPosition, SnapshotRows } from "./primitives.ts"
import { type Commit, commitOf, recordOf } from "./record.ts"

/** What a store without transactions builds its port from. */
export interface CommitRecords {
  readonly commit: EventStore["Service"]["commit"]
  /**
   * The head of a domain, once every commit is finished whose record was inserted before the call. A domain that is
   * applied up to `atLeast` is answered without looking for further records.
   */
  readonly head: (domain: string, atLeast?: bigint) => Effect.Effect<Head | undefined, Unavailable>
  /**
   * What `find` finds in a domain, once every commit is finished whose record was inserted before the call: a caller
   * that has seen an entity finds every event that made it.
   */
  readonly lookup: <A>(
    domain: string,
    find: Effect.Effect<A | undefined, Unavailable>
  ) => Effect.Effect<A | undefined, Unavailable>
  /** Applied heads, after finishing the commit at the next position of each where that is possible now. */
  readonly withPendingFinished: (applied: ReadonlyArray<Head>) => Effect.Effect<ReadonlyArray<Head>, Unavailable>
  /** Fails while a record that only a newer version can read blocks a domain where this gateway has found it. */
  readonly checkReadable: Effect.Effect<void, Unavailable>
}

/**
 * Commits in a store where nothing but the insert of one record is atomic. A batch is committed by the insert of its
 * record at the position after the head; a crash from then on loses nothing. The rows that readers look at are written
 * next, and the applied head last. No record is inserted above an unfinished commit: a gateway that finds one waits a
 * moment for its owner, then finishes it. So a domain has at most one commit in flight, and a decision whose record is
 * inserted has seen every commit before it.
 */
export const commitRecords = (store: CommitPrimitives): CommitRecords => {
  const slots = new ClaimSlots()
  /** Average milliseconds from the insert of a record to the move of the applied head. */
  let averageCommitMs = peerCommitMs
  /** A record that this version cannot read. */
  let unreadable: CommitRecord | undefined

  /** Writes the rows that readers look at. Idempotent, also when it runs late or beside other gateways. */
  const project = Effect.fnUntraced(function* ({ domain, incarnation, events }: Commit) {
    const last = events.at(-1)!
    const head: Head = { domain, incarnation, position: last.position, time: last.time, eventId: last.id }
    const projections = [store.projectEvents(domain, events), store.projectStates(domain, latestOf(events))]
    yield* Effect.all(projections, { concurrency: "unbounded", discard: true })
    // Last, because readers rely on finding everything up to the applied head.
    yield* store.advanceApplied(head)
    return head
  })

  /** The record at its position in the end, ours or another gateway's. */
  const insert = (record: CommitRecord) =>
    store.insertRecord(record).pipe(
      // The first insert may still arrive, so a later failure proves nothing about it.
      Effect.catchTag("OutcomeUnknown", () =>
        Effect.mapError(
          Effect.retry(store.insertRecord(record), outcomeRetry),
          (cause) => new OutcomeUnknown({ cause })
        )
      )
    )

  const complete = Effect.fnUntraced(function* (own: Commit) {
    const projected = Effect.mapError(
      Effect.retry(project(own), outcomeRetry),
      (cause) => new OutcomeUnknown({ cause })
    )
    const [took, head] = yield* Effect.timed(projected)
    const ms = Duration.toMillis(took)
    averageCommitMs = ewma(averageCommitMs, ms)
    return [head, ms] as const
  })

  /** Waits a moment for the owner of a commit, then finishes it. Answers the applied head, at the end of it or beyond. */
  const finish = Effect.fnUntraced(function* (record: CommitRecord) {
    const until = (yield* monotonicNow) + 4 * averageCommitMs
    let wait = averageCommitMs / 2
    do {
      // With jitter, so that waiting gateways do not all act at once.
      yield* Effect.sleep(wait * (0.5 + (yield* Random.next)))
      const head = yield* store.appliedHead(record.domain)
      if (head !== undefined && head.position >= record.position) return head
      wait = averageCommitMs / 4
    } while ((yield* monotonicNow) < until)
    const found = commitOf(record)
    if (found !== undefined) return yield* project(found)
    unreadable = record
    return yield* tooNew
  })

  const head = Effect.fnUntraced(function* (domain: string, atLeast?: bigint) {
    let applied = notEmpty(yield* store.appliedHead(domain))
    for (let tries = 0; tries < recordTriesMax; tries++) {
      if (applied !== undefined && atLeast !== undefined && applied.position >= atLeast) return applied
      const [record] = yield* store.recordsAt([nextPosition(domain, applied)])
      if (record === undefined) return applied
      applied = yield* finish(record)
    }
    return yield* busy
  })

  /**
   * Waits while other gateways have slots, for a limited time. Answers the applied head afterwards, and the record
   * after it if its owner has not finished it.
   */
  const awaitSlot = Effect.fnUntraced(function* (from: Batch, head: Head | undefined, end: number) {
    const { domain } = from
    let batch = from
    let applied = head
    let now = yield* monotonicNow
    let ahead = slots.ahead(domain, now)
    let until = now + Math.min(ahead * slots.slotMs, claimSlotWaitMsMax)
    while (ahead > 0 && now < end) {
      yield* Effect.sleep((averageCommitMs / 4) * (0.5 + (yield* Random.next)))
      const moved = notEmpty(yield* store.appliedHead(domain))
      now = yield* monotonicNow
      const hasMoved = moved !== undefined && moved.position > (applied?.position ?? 0n)
      if (!hasMoved && now < until) continue
      const [record] = yield* store.recordsAt([nextPosition(domain, applied)])
      if (!hasMoved) return { batch, applied, record }
      if (record !== undefined) slots.onRecord(domain, record.id, now)
      applied = moved
      batch = batch.withLaterJobs?.() ?? batch
      ahead = slots.ahead(domain, now)
      until = now + Math.min(ahead * slots.slotMs, claimSlotWaitMsMax)
    }
    return { batch, applied, record: undefined }
  })

  /** Decides at the applied head and inserts the record. Answers the new head, or the record that was there already. */
  const attempt = Effect.fnUntraced(function* (from: Batch, applied: Head | undefined, isListed: boolean) {
    const { domain } = from
    const since = yield* monotonicNow
    const batch = from.withLaterJobs?.() ?? from
    const rows = yield* orDefect(store.readSnapshot(domain, batch.refs, batch.keys))
    const base = applied ?? emptyHead(domain, batch.incarnation)
    const events = batch.decide(snapshotOf(base, rows))
    if (events.length === 0) {
      // The decision counts only if it has seen every commit, like one whose record is inserted.
      const [record] = yield* store.recordsAt([nextPosition(domain, applied)])
      return record ?? base
    }
    // Without this row, `heads` would miss a domain whose first commit was left unfinished.
    if (!isListed) yield* store.advanceApplied(base)
    const own: Commit = { id: slots.newId(), domain, incarnation: base.incarnation, events }
    const record = yield* insert(recordOf(own))
    slots.onInsert((yield* monotonicNow) - since)
    if (record.id !== own.id) return record
    const [head, projectMs] = yield* complete(own)
    slots.onCommit(domain, projectMs)
    return head
  })

  const commit = Effect.fnUntraced(function* (first: Batch) {
    const { domain } = first
    let batch = first
    const until = (yield* monotonicNow) + recordCommitMsMax
    const found = yield* orDefect(store.appliedHead(domain))
    let applied = notEmpty(found)
    for (let tries = 0; tries < recordTriesMax; tries++) {
      const slot = yield* awaitSlot(batch, applied, until)
      batch = slot.batch
      // A gateway lists the domain before it inserts a record, so a record that was found proves that it is listed.
      const isListed = found !== undefined || slot.applied !== undefined
      const end: Head | CommitRecord = slot.record ?? (yield* attempt(batch, slot.applied, isListed))
      if (isHead(end)) return end
      slots.onRecord(domain, end.id, yield* monotonicNow)
      applied = yield* finish(end)
      // The callers wait, and nothing of their jobs is stored.
      if ((yield* monotonicNow) > until) break
    }
    return yield* busy
  })

  return {
    commit: (batches) =>
      Effect.forEach(batches, (batch) => Effect.result(commit(batch)), { concurrency: batchesAtOnceMax }),
    head,
    lookup: Effect.fnUntraced(function* (domain, find) {
      const found = yield* find
      if (found !== undefined) return found
      yield* head(domain)
      return yield* find
    }),
    withPendingFinished: Effect.fnUntraced(function* (heads) {
      const pending = new Map<string, CommitRecord>()
      for (let i = 0; i < heads.length; i += headsSliceMax) {
        const positions = heads.slice(i, i + headsSliceMax).map((applied) => nextPosition(applied.domain, applied))
        for (const record of yield* store.recordsAt(positions)) pending.set(record.domain, record)
      }
      const finished = (applied: Head) => {
        const record = pending.get(applied.domain)
        return record === undefined ? Effect.succeed(applied) : Effect.orElseSucceed(finish(record), () => applied)
      }
      const all = yield* Effect.forEach(heads, finished, { concurrency: batchesAtOnceMax })
      return all.filter((applied) => notEmpty(applied) !== undefined)
    }),
    checkReadable: Effect.suspend(() => {
      const found = unreadable
      if (found === undefined) return Effect.void
      return Effect.map(finish(found), () => {
        // Another record may have been found meanwhile.
        if (unreadable === found) unreadable = undefined
      })
    })
  }
}

const busy = new Unavailable({ message: "too many change this domain at once; try again later" })
const tooNew = new Unavailable({ message: "a newer version of the gateway is at work here; this one must be upgraded" })

/** A commit that dies of a read before its insert has stored nothing: it fails alone. */
const orDefect = <A, E>(read: Effect.Effect<A, E>): Effect.Effect<A, E | Defect> =>
  Effect.catchDefect(read, (cause) => new Defect({ cause }))

const isHead = (end: Head | CommitRecord): end is Head => "eventId" in end

/** The last event of each entity. */
const latestOf = (events: ReadonlyArray<Event>): ReadonlyArray<Event> => [
  ...new Map(events.map((event) => [refText(event.entity), event])).values()
]

/** A head at position 0 only says that a first commit may be in flight. */
const notEmpty = (head: Head | undefined): Head | undefined => (head?.position === 0n ? undefined : head)

const nextPosition = (domain: string, applied: Head | undefined): LogPosition => ({
  domain,
  position: (applied?.position ?? 0n) + 1n
})

const snapshotOf = ({ position, time, eventId }: Head, { states, events }: SnapshotRows): Snapshot => {
  const byRef = new Map(states.map((state) => [refText(state), state]))
  const byKey = Map.groupBy(events, ({ idempotency }: Event) => keyText(idempotency!.caller, idempotency!.key))
  return {
    position,
    time,
    eventId,
    state: (ref) => byRef.get(refText(ref)),
    remembered: (caller, key) => byKey.get(keyText(caller, key)) ?? []
  }
}
