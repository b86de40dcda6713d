import { Effect, Result, Schedule } from "effect"
import type { Head } from "../../domain/batch.ts"
import { type Ref, refText } from "../../domain/entity.ts"
import type { Event } from "../../domain/event.ts"
import { literalGlob } from "../../domain/glob.ts"
import { jsonText, utf8BytesAtMost } from "../../domain/json.ts"
import { type OutcomeUnknown, Unavailable } from "../failure.ts"
import { maintenanceDomainsAtOnce, maintenanceRetryMs, maintenanceTries } from "../limits.ts"
import { eachPage, headsOf, type NotPossible, notPossible, type Store } from "./log.ts"
import { type Comparison, compareLogs } from "./verify.ts"

/** The outcome of the migration of one domain. */
export interface MigrationResult extends Comparison {
  /** Events that this run copied. An earlier run copied the others. */
  readonly copied: bigint
}

/**
 * Copies every log of one store into another. Positions, ids, times and incarnations stay the same, so that cursors and
 * idempotency keys remain valid. A later run continues where an earlier one ended. Gateways may write to the source
 * meanwhile: the result compares the heads of both stores at the end, and shows what a further run would copy.
 */
export const migrate = (
  from: Store,
  to: Store,
  onDomain: (result: MigrationResult) => Effect.Effect<void>
): Effect.Effect<ReadonlyArray<MigrationResult>, NotPossible | Unavailable> =>
  Effect.gen(function* () {
    const heads = yield* headsOf(from)
    const all = yield* Effect.forEach(
      heads,
      (head) =>
        Effect.gen(function* () {
          const copied = yield* copyLog(from, to, head)
          const result = { ...(yield* compareLogs(from, to, head.domain)), copied }
          yield* onDomain(result)
          return result
        }),
      { concurrency: maintenanceDomainsAtOnce }
    )
    const known = new Map(all.map((result) => [result.domain, result]))
    const [source, target] = [yield* headsOf(from), yield* headsOf(to)]
    const positions = (heads: ReadonlyArray<Head>) => new Map(heads.map(({ domain, position }) => [domain, position]))
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
    if (target !== undefined) yield* requirePrefix(from, source, target)
    yield* eachPage(from, domain, start, source.position, (events) =>
      Effect.forEach(splitByCapacity(events, to.capacity), (part) => append(to, source, part), { discard: true })
    )
    return source.position > start ? source.position - start : 0n
  })

/** Fails unless the target holds a prefix of the same log: only that can be continued. */
const requirePrefix = (from: Store, source: Head, target: Head): Effect.Effect<void, NotPossible | Unavailable> =>
  Effect.gen(function* () {
    const other = notPossible(
      `the target has another log of ${source.domain}; migrate into a store without that domain`
    )
    if (target.incarnation !== source.incarnation) return yield* Effect.fail(other)
    if (target.position === 0n) return
    const events = yield* from.read(source.domain, target.position - 1n, 1)
    if (events[0]?.id !== target.eventId) return yield* Effect.fail(other)
  })

const eventBytes = ({ entity, claims }: Event): number =>
  utf8BytesAtMost(jsonText(entity.values)) + utf8BytesAtMost(jsonText(claims)) + utf8BytesAtMost(refText(entity)) + 512

/** Splits events into parts that one commit of the store can hold. */
const splitByCapacity = (
  events: ReadonlyArray<Event>,
  capacity: Store["capacity"]
): ReadonlyArray<readonly [Event, ...ReadonlyArray<Event>]> => {
  const parts: Array<[Event, ...Array<Event>]> = []
  let bytes = 0
  for (const event of events) {
    const last = parts.at(-1)
    const more = eventBytes(event)
    if (last === undefined || last.length >= capacity.events || bytes + more > capacity.bytes) {
      parts.push([event])
      bytes = more
    } else {
      last.push(event)
      bytes += more
    }
  }
  return parts
}

/** Appends events unchanged, and retries while the store is unavailable. The head resolves an unknown outcome. */
const append = (
  to: Store,
  source: Head,
  events: readonly [Event, ...ReadonlyArray<Event>]
): Effect.Effect<void, NotPossible | Unavailable> => {
  const before = events[0].position - 1n
  const last = events.at(-1)!
  const refs = new Map<string, Ref>(events.map(({ entity }) => [refText(entity), entity]))
  const batch = {
    domain: source.domain,
    incarnation: source.incarnation,
    refs: [...refs.values()],
    keys: [],
    decide: (snapshot: { readonly position: bigint }) => (snapshot.position === before ? events : [])
  }
  const once = Effect.gen(function* () {
    const [result] = yield* to.commit([batch])
    if (Result.isFailure(result!)) return yield* Effect.fail(result.failure)
    const head = result!.success
    if (head.position === last.position && head.eventId === last.id) return
    return yield* Effect.fail(
      notPossible(`another process writes to ${source.domain} in the target; stop it and run migrate again`)
    )
  })
  const resolved = Effect.catchTag(once, "OutcomeUnknown", (unknown: OutcomeUnknown) =>
    Effect.flatMap(headOf(to, source.domain), (head) =>
      head?.eventId === last.id
        ? Effect.void
        : Effect.fail(new Unavailable({ message: "the target did not answer", cause: unknown.cause }))
    )
  )
  const attempt = Effect.catchTag(resolved, "Defect", ({ cause }) => Effect.die(cause))
  return Effect.retry(attempt, {
    while: (failure) => failure._tag === "Unavailable",
    times: maintenanceTries,
    schedule: Schedule.spaced(maintenanceRetryMs)
  })
}
