import { Duration, Effect, Random } from "effect"
import { type Head, keyText, type Snapshot } from "../../../domain/batch.ts"
import { refText } from "../../../domain/entity.ts"
import type { Event } from "../../../domain/event.ts"
import { Defect, OutcomeUnknown, Unavailable } from "../../failure.ts"
import { newIncarnation } from "../../incarnation.ts"
import { claimMsMax, claimTriesMax, claimWaitMs, headsSliceMax, turnMsMax, unitsAtOnceMax } from "../../limits.ts"
import { monotonicNow } from "../../monotonic.ts"
import type { EventStore, Unit } from "../../ports/EventStore.ts"
import { settling } from "../outcome-retry.ts"
import { Turns, usual } from "./claim-slots.ts"
import type { ClaimRecord, Place, Primitives, Recalled } from "./primitives.ts"
import { type Claim, claimOf, recordOf } from "./record.ts"

/** What a store without transactions builds its port from. */
export interface Claims {
  readonly commit: EventStore["Service"]["commit"]
  /**
   * The head of a domain with everything finished that was claimed before the call. It is not looked for what is
   * claimed when the domain has come as far as `enough` anyway.
   */
  readonly head: (domain: string, enough?: bigint) => Effect.Effect<Head | undefined, Unavailable>
  /**
   * What is found of a domain, once as much is finished as was claimed before: who has seen an entity misses none of the
   * events behind it.
   */
  readonly lookup: <A>(
    domain: string,
    find: Effect.Effect<A | undefined, Unavailable>
  ) => Effect.Effect<A | undefined, Unavailable>
  /** Heads as marks told them, with what was claimed right behind them finished, as far as that can be done now. */
  readonly settled: (heads: ReadonlyArray<Head>) => Effect.Effect<ReadonlyArray<Head>, Unavailable>
  /** Fails while a commit that only a newer version can read stands where this one has met it. */
  readonly readable: Effect.Effect<void, Unavailable>
}

/**
 * Commits where nothing but the insert of one record is atomic. A batch is claimed by that insert, right behind the
 * head, and from then on it is done, whatever dies; what readers look at is written after it, and the mark last. Nobody
 * claims above a commit that is not finished: who finds one gives its owner a moment and finishes it. So at most one
 * commit of a domain is under way, and a decision that could be claimed has seen all of those before it.
 */
export const claims = (store: Primitives): Claims => {
  const turns = new Turns()
  /** Milliseconds that a commit took lately, from the claim to the mark. */
  let usualMs = claimWaitMs
  /** A commit that this version cannot read. */
  let unreadable: ClaimRecord | undefined

  /** Writes what readers look at. Again, late, or beside others who do: the result is the same. */
  const project = Effect.fnUntraced(function* ({ domain, incarnation, events }: Claim) {
    const last = events.at(-1)!
    const head: Head = { ...unborn(domain), incarnation, position: last.position, time: last.time, eventId: last.id }
    const projections = [store.projectEvents(domain, events), store.projectStates(domain, latestOf(events))]
    yield* Effect.all(projections, { concurrency: "unbounded", discard: true })
    // Behind both, so that who has seen the mark finds all that it tells of.
    yield* store.moveMark(head)
    return head
  })

  /** The record that its place has in the end, ours or another's: inserted until the store says which. */
  const claim = (record: ClaimRecord) =>
    store.claim(record).pipe(
      // From here on it may be there, so that no failure means any more that it is not.
      Effect.catchTag("OutcomeUnknown", () =>
        Effect.mapError(Effect.retry(store.claim(record), settling), (cause) => new OutcomeUnknown({ cause }))
      )
    )

  const complete = Effect.fnUntraced(function* (own: Claim) {
    const projected = Effect.mapError(Effect.retry(project(own), settling), (cause) => new OutcomeUnknown({ cause }))
    const [took, head] = yield* Effect.timed(projected)
    const ms = Duration.toMillis(took)
    usualMs = usual(usualMs, ms)
    return [head, ms] as const
  })

  /** Gives the owner of a commit some time, and finishes it if need be; answers the head: at its end, or beyond. */
  const finish = Effect.fnUntraced(function* (record: ClaimRecord) {
    const until = (yield* monotonicNow) + 4 * usualMs
    let wait = usualMs / 2
    do {
      // Never as long as others who wait, so that not all of them do the same next.
      yield* Effect.sleep(wait * (0.5 + (yield* Random.next)))
      const head = yield* store.mark(record.domain)
      if (head !== undefined && head.position >= record.position) return head
      wait = usualMs / 4
    } while ((yield* monotonicNow) < until)
    const found = claimOf(record)
    if (found !== undefined) return yield* project(found)
    unreadable = record
    return yield* tooNew
  })

  const head = Effect.fnUntraced(function* (domain: string, enough?: bigint) {
    let mark = begun(yield* store.mark(domain))
    for (let tries = 0; tries < claimTriesMax; tries++) {
      if (mark !== undefined && enough !== undefined && mark.position >= enough) return mark
      const [record] = yield* store.claimed([behind(domain, mark)])
      if (record === undefined) return mark
      mark = yield* finish(record)
    }
    return yield* busy
  })

  /**
   * Lets others go first while it is their turn, until a moment at most. Answers the mark as it is then, and what is
   * claimed behind it by one who has not come to its end.
   */
  const turn = Effect.fnUntraced(function* (unit: Unit, from: Head | undefined, end: number) {
    const { domain } = unit
    let mark = from
    let now = yield* monotonicNow
    let ahead = turns.ahead(domain, now)
    let until = now + Math.min(ahead * turns.slotMs, turnMsMax)
    while (ahead > 0 && now < end) {
      yield* Effect.sleep((usualMs / 4) * (0.5 + (yield* Random.next)))
      const moved = begun(yield* store.mark(domain))
      now = yield* monotonicNow
      const hasMoved = moved !== undefined && moved.position > (mark?.position ?? 0n)
      if (!hasMoved && now < until) continue
      const [found] = yield* store.claimed([behind(domain, mark)])
      if (!hasMoved) return { mark, record: found }
      if (found !== undefined) turns.lost(domain, found.id, now)
      mark = moved
      unit.join?.()
      ahead = turns.ahead(domain, now)
      until = now + Math.min(ahead * turns.slotMs, turnMsMax)
    }
    return { mark, record: undefined }
  })

  /** Decides behind the mark, and claims what was decided: the head that comes of it, or the record that is there. */
  const attempt = Effect.fnUntraced(function* (unit: Unit, mark: Head | undefined, isTold: boolean) {
    const { domain } = unit
    const since = yield* monotonicNow
    unit.join?.()
    const recalled = yield* orDefect(store.recall(domain, unit.refs, unit.keys))
    const from = mark ?? unborn(domain, unit.incarnation)
    const events = unit.decide(snapshotOf(from, recalled))
    if (events.length === 0) {
      // It counts only if it has seen everything, just as one that is claimed.
      const [there] = yield* store.claimed([behind(domain, mark)])
      return there ?? from
    }
    // Else whoever lists domains would not find one whose first commit was left half done.
    if (!isTold) yield* store.moveMark(from)
    const own: Claim = { id: turns.newId(), domain, incarnation: from.incarnation, events }
    const record = yield* claim(recordOf(own))
    turns.claimed((yield* monotonicNow) - since)
    if (record.id !== own.id) return record
    const [head, restMs] = yield* complete(own)
    turns.won(domain, restMs)
    return head
  })

  const commit = Effect.fnUntraced(function* (unit: Unit) {
    const { domain } = unit
    const until = (yield* monotonicNow) + claimMsMax
    const found = yield* orDefect(store.mark(domain))
    let mark = begun(found)
    for (let tries = 0; tries < claimTriesMax; tries++) {
      const before = yield* turn(unit, mark, until)
      // Behind any record that was found there is a mark: whoever claims tells of the domain first.
      const isTold = found !== undefined || before.mark !== undefined
      const end: Head | ClaimRecord = before.record ?? (yield* attempt(unit, before.mark, isTold))
      if (isHead(end)) return end
      turns.lost(domain, end.id, yield* monotonicNow)
      mark = yield* finish(end)
      // Who has decided waits for the outcome, and nothing of it is stored.
      if ((yield* monotonicNow) > until) break
    }
    return yield* busy
  })

  return {
    commit: (units) => Effect.forEach(units, (unit) => Effect.result(commit(unit)), { concurrency: unitsAtOnceMax }),
    head,
    lookup: Effect.fnUntraced(function* (domain, find) {
      const found = yield* find
      if (found !== undefined) return found
      yield* head(domain)
      return yield* find
    }),
    settled: Effect.fnUntraced(function* (heads) {
      const found = new Map<string, ClaimRecord>()
      for (let i = 0; i < heads.length; i += headsSliceMax) {
        const places = heads.slice(i, i + headsSliceMax).map((head) => behind(head.domain, head))
        for (const record of yield* store.claimed(places)) found.set(record.domain, record)
      }
      const settle = (head: Head) => {
        const record = found.get(head.domain)
        return record === undefined ? Effect.succeed(head) : Effect.orElseSucceed(finish(record), () => head)
      }
      const all = yield* Effect.forEach(heads, settle, { concurrency: unitsAtOnceMax })
      return all.filter((head) => begun(head) !== undefined)
    }),
    readable: Effect.suspend(() => {
      const found = unreadable
      if (found === undefined) return Effect.void
      return Effect.map(finish(found), () => {
        // Another one may have been met meanwhile.
        if (unreadable === found) unreadable = undefined
      })
    })
  }
}

const busy = new Unavailable({ message: "too many change this domain at once; try again later" })
const tooNew = new Unavailable({ message: "a newer version of the gateway is at work here; this one must be upgraded" })

/** A read of which a commit dies before it has claimed anything: that commit fails alone, and nothing of it is stored. */
const orDefect = <A, E>(read: Effect.Effect<A, E>): Effect.Effect<A, E | Defect> =>
  Effect.catchDefect(read, (cause) => new Defect({ cause }))

const isHead = (end: Head | ClaimRecord): end is Head => "eventId" in end

/** The last event of each entity. */
const latestOf = (events: ReadonlyArray<Event>): ReadonlyArray<Event> => [
  ...new Map(events.map((event) => [refText(event.entity), event])).values()
]

/** A domain before its first event. Its incarnation is born with the claim of that event, if this is the one. */
const unborn = (domain: string, incarnation = newIncarnation()): Head => ({
  domain,
  incarnation,
  first: 1n,
  position: 0n,
  time: 0n,
  eventId: ""
})

/** The head that a mark tells; one before the first position only says that there may be a first commit. */
const begun = (mark: Head | undefined): Head | undefined => (mark?.position === 0n ? undefined : mark)

/** The place of the next commit. */
const behind = (domain: string, mark: Head | undefined): Place => ({ domain, position: (mark?.position ?? 0n) + 1n })

const snapshotOf = ({ position, time, eventId }: Head, { states, events }: Recalled): Snapshot => {
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
