import { Context, Effect, Layer } from "effect"
import { away, type Unavailable } from "../../../application/failure.ts"
import {
  claimBytesMax,
  claimsAtOnceMax,
  commitEventsMax,
  logPageBytesMax,
  movedOverlapMs
} from "../../../application/limits.ts"
import { EventStore } from "../../../application/ports/EventStore.ts"
import { Projection } from "../../../application/ports/Projection.ts"
import { silenceGuarded } from "../../../application/storage/circuit-breaker.ts"
import { clockGuarded } from "../../../application/storage/clock-guard.ts"
import { claims } from "../../../application/storage/commit-records/commits.ts"
import { eventFrom } from "../../../application/storage/commit-records/record.ts"
import { emptyPage } from "../../../application/storage/page.ts"
import type { Head } from "../../../domain/batch.ts"
import { type Ref, refText } from "../../../domain/entity.ts"
import type { Event } from "../../../domain/event.ts"
import { type Glob, matches } from "../../../domain/glob.ts"
import { compareText } from "../../../domain/query.ts"
import { attempt, isSaid } from "./calls.ts"
import { type CassandraSettings, open } from "./connection.ts"
import { eventsAfter } from "./events.ts"
import { merged } from "./merged.ts"
import { primitives } from "./primitives.ts"
import { projection } from "./projection.ts"
import { headOf, idTerm, parts, type Row, versionTerm } from "./rows.ts"
import { searchEntities, searchEvents } from "./search.ts"
import { statesIn } from "./states.ts"

/**
 * A keyspace of Cassandra, for any number of gateways. A commit is one record, inserted where there is none by a
 * lightweight transaction; the rows that readers look at follow it.
 */
export const layer = (settings: CassandraSettings): Layer.Layer<EventStore | Projection, Unavailable> =>
  Layer.effectContext(
    Effect.gen(function* () {
      const opened = yield* open(settings)
      const { cql, rows, each } = opened
      const { commit, head, lookup, settled, readable } = claims(primitives(opened))
      const states = statesIn(opened)

      const serverMillis = Effect.map(
        attempt(() => rows(cql.now, [])),
        ([row]) => Number(row!["now"])
      )

      /** An event of an entity, once the domain has come as far. */
      const eventOf = Effect.fnUntraced(function* (ref: Ref, term: bigint, is: (event: Event) => boolean) {
        const { domain } = ref
        const find = attempt(async () => {
          const having = (await rows(cql.textsWith, [term])).filter((row) => row["domain"] === domain)
          const events = having.map((row) => eventFrom(domain, row["text"]))
          return events.find((some) => refText(some.entity) === refText(ref) && is(some))
        })
        const event = yield* lookup(domain, find)
        if (event !== undefined) yield* head(domain, event.position)
        return event
      })

      const read = Effect.fnUntraced(function* (domain: string, after: bigint, limit: number) {
        const { position } = (yield* head(domain, after + BigInt(limit))) ?? { position: 0n }
        if (position <= after) return { events: [], scanned: after }
        const most = { limit, bytesMax: logPageBytesMax }
        const events = yield* attempt(() => eventsAfter(opened, domain, after, position, most))
        // Nobody may take a row that cannot be seen for the end of the log.
        if (events.length === 0) return yield* away(new Error(`${domain} has no row at ${after + 1n}, below its mark`))
        return { events, scanned: events.at(-1)!.position }
      })

      const byDomain = (a: Row, b: Row) => compareText(a["domain"], b["domain"])
      const heads = Effect.fnUntraced(function* (glob: Glob, limit: number) {
        if (glob.literal !== undefined) {
          const found = yield* head(glob.literal)
          return found === undefined ? [] : [found].slice(0, limit)
        }
        const marks = yield* attempt(async () => {
          const found: Array<Head> = []
          const inParts = parts.map((part) => each(cql.marks, [part, glob.prefix]))
          for await (const row of merged(inParts, byDomain)) {
            if (found.length === limit || !row["domain"].startsWith(glob.prefix)) break
            if (matches(glob, row["domain"])) found.push(headOf(row))
          }
          return found
        })
        return yield* settled(marks)
      })

      const movedSince = Effect.fnUntraced(function* (mark: string | undefined) {
        if (mark === undefined) yield* readable
        const now = yield* serverMillis
        const since = new Date(Number(mark) - movedOverlapMs)
        const moved = attempt(() => rows(cql.moved, [since]))
        const heads = mark === undefined ? [] : yield* settled((yield* moved).map(headOf))
        return { heads, mark: String(now) }
      })

      const store = EventStore.of({
        capacity: { commits: claimsAtOnceMax, domains: 1, events: commitEventsMax, bytes: claimBytesMax },
        commit,
        state: (ref) => Effect.map(states.read([ref]), ([state]) => state),
        version: (ref, version) => eventOf(ref, versionTerm(ref, version), ({ entity }) => entity.version === version),
        event: (ref, id) => eventOf(ref, idTerm(ref.domain, id), (some) => some.id === id),
        entities: (search) => searchEntities(opened, search),
        events: (search) =>
          Effect.flatMap(head(search.domain), (upTo) =>
            upTo === undefined ? Effect.succeed(emptyPage) : searchEvents(opened, upTo, search)
          ),
        read,
        heads,
        movedSince
      })
      const guarded = yield* clockGuarded(yield* silenceGuarded(store, serverMillis, isSaid), serverMillis)
      return Context.make(EventStore, guarded).pipe(Context.add(Projection, projection(opened)))
    })
  )
