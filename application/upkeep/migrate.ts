import { Effect, Result, Schedule } from "effect"
import type { Head } from "../../domain/batch.ts"
import { type Ref, refText } from "../../domain/entity.ts"
import type { Event } from "../../domain/event.ts"
import { literalGlob } from "../../domain/glob.ts"
import { jsonText, utf8BytesAtMost } from "../../domain/json.ts"
import { type OutcomeUnknown, Unavailable } from "../failure.ts"
import { upkeepDomainsAtOnce, upkeepRetryMs, upkeepTries } from "../limits.ts"
import { eachPage, headsOf, type NotPossible, notPossible, type Store } from "./log.ts"
import { type Comparison, compareLogs } from "./verify.ts"

/** What became of one domain. */
export interface Migrated extends Comparison {
  /** Events that this run has copied; the others were there. */
  readonly copied: bigint
}

/**
 * Copies every log of one store into another, event by event as they are: positions, ids, times and the identities of the
 * logs stay, so that cursors and retries go on to work. Goes on where an earlier run ended. What is written to the source
 * meanwhile is copied as far as it is seen; at the end both stores are looked at once more, and it is said how far both
 * are the same.
 */
export const migrate = (
  from: Store,
  to: Store,
  tell: (migrated: Migrated) => Effect.Effect<void>
): Effect.Effect<ReadonlyArray<Migrated>, NotPossible | Unavailable> =>
  Effect.gen(function* () {
    const heads = yield* headsOf(from)
    const all = yield* Effect.forEach(
      heads,
      (head) =>
        Effect.gen(function* () {
          const copied = yield* copyLog(from, to, head)
          const migrated = { ...(yield* compareLogs(from, to, head.domain)), copied }
          yield* tell(migrated)
          return migrated
        }),
      { concurrency: upkeepDomainsAtOnce }
    )
    const known = new Map(all.map((migrated) => [migrated.domain, migrated]))
    const [source, target] = [yield* headsOf(from), yield* headsOf(to)]
    const positions = (found: ReadonlyArray<Head>) => new Map(found.map(({ domain, position }) => [domain, position]))
    const [fromNow, toNow] = [positions(source), positions(target)]
    return Array.from(new Set([...known.keys(), ...fromNow.keys()]), (domain) => ({
      ...(known.get(domain) ?? { domain, copied: 0n, hashes: { from: "", to: "" }, same: true }),
      from: fromNow.get(domain) ?? 0n,
      to: toNow.get(domain) ?? 0n
    }))
  })

const headOf = (store: Store, domain: string): Effect.Effect<Head | undefined, Unavailable> =>
  Effect.map(store.heads(literalGlob(domain), 1), ([head]) => head)

const copyLog = (from: Store, to: Store, source: Head): Effect.Effect<bigint, NotPossible | Unavailable> =>
  Effect.gen(function* () {
    const { domain } = source
    const target = yield* headOf(to, domain)
    const start = target?.position ?? 0n
    if (target !== undefined) yield* mustBeItsBeginning(from, source, target)
    yield* eachPage(from, domain, start, source.position, (events) =>
      Effect.forEach(fitting(events, to.capacity), (some) => appended(to, source, some), { discard: true })
    )
    return source.position > start ? source.position - start : 0n
  })

/** Only the beginning of the very same log can be gone on with. */
const mustBeItsBeginning = (from: Store, source: Head, target: Head): Effect.Effect<void, NotPossible | Unavailable> =>
  Effect.gen(function* () {
    const other = notPossible(`the target has another log of ${source.domain}; it must be the same, or not there`)
    if (target.incarnation !== source.incarnation) return yield* Effect.fail(other)
    if (target.position === 0n) return
    const { events } = yield* from.read(source.domain, target.position - 1n, 1)
    if (events[0]?.id !== target.eventId) return yield* Effect.fail(other)
  })

const eventBytes = ({ entity, claims }: Event): number =>
  utf8BytesAtMost(jsonText(entity.values)) + utf8BytesAtMost(jsonText(claims)) + utf8BytesAtMost(refText(entity)) + 512

/** Cuts events to what one commit may hold. */
const fitting = (
  events: ReadonlyArray<Event>,
  capacity: Store["capacity"]
): ReadonlyArray<readonly [Event, ...ReadonlyArray<Event>]> => {
  const cut: Array<[Event, ...Array<Event>]> = []
  let bytes = 0
  for (const event of events) {
    const last = cut.at(-1)
    const more = eventBytes(event)
    if (last === undefined || last.length >= capacity.events || bytes + more > capacity.bytes) {
      cut.push([event])
      bytes = more
    } else {
      last.push(event)
      bytes += more
    }
  }
  return cut
}

/** Appends events as they are, again if the store was away. One whose outcome is unknown is there, or is not: looked up. */
const appended = (
  to: Store,
  source: Head,
  events: readonly [Event, ...ReadonlyArray<Event>]
): Effect.Effect<void, NotPossible | Unavailable> => {
  const before = events[0].position - 1n
  const last = events.at(-1)!
  const refs = new Map<string, Ref>(events.map(({ entity }) => [refText(entity), entity]))
  const unit = {
    domain: source.domain,
    incarnation: source.incarnation,
    refs: [...refs.values()],
    keys: [],
    decide: (snapshot: { readonly position: bigint }) => (snapshot.position === before ? events : [])
  }
  const once = Effect.gen(function* () {
    const [result] = yield* to.commit([unit])
    if (Result.isFailure(result!)) return yield* Effect.fail(result.failure)
    const head = result!.success
    if (head.position === last.position && head.eventId === last.id) return
    return yield* Effect.fail(notPossible(`somebody else writes to ${source.domain} in the target`))
  })
  const settled = Effect.catchTag(once, "OutcomeUnknown", (unknown: OutcomeUnknown) =>
    Effect.flatMap(headOf(to, source.domain), (head) =>
      head?.eventId === last.id
        ? Effect.void
        : Effect.fail(new Unavailable({ message: "the target did not answer", cause: unknown.cause }))
    )
  )
  const known = Effect.catchTag(settled, "Defect", ({ cause }) => Effect.die(cause))
  return Effect.retry(known, {
    while: (failure) => failure._tag === "Unavailable",
    times: upkeepTries,
    schedule: Schedule.spaced(upkeepRetryMs)
  })
}
