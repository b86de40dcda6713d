import { Context, Effect, Layer } from "effect"
import type { MongoClient } from "mongodb"
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
import { emptyPage } from "../../../application/storage/page.ts"
import type { Head } from "../../../domain/batch.ts"
import type { Ref } from "../../../domain/entity.ts"
import type { Event } from "../../../domain/event.ts"
import { type Glob, matches } from "../../../domain/glob.ts"
import { attempt, byId, isSaid, type MongoSettings, open, soon } from "./connection.ts"
import { primitives } from "./primitives.ts"
import { projection } from "./projection.ts"
import { type EventRow, eventOf, headOf, integerMax, placeId, refId, stateOf } from "./rows.ts"
import { searchEntities, searchEvents } from "./search.ts"

/**
 * A database of MongoDB, or of a server that speaks its protocol, for any number of gateways. A commit is one record,
 * inserted where there is none; the rows that readers look at follow it.
 */
export const layer = (settings: MongoSettings): Layer.Layer<EventStore | Projection, Unavailable> =>
  Layer.effectContext(
    Effect.gen(function* () {
      const opened = yield* open(settings)
      const { client, questions, collections, fresh } = opened
      const { domains, entities, events } = collections
      const { commit, head, lookup, settled, readable } = claims(primitives(opened))

      const serverMillis = (over: MongoClient) =>
        Effect.map(
          attempt(() => over.db("admin").command({ hello: 1 }, { readPreference: "primary" })),
          ({ localTime }) => (localTime as Date).getTime()
        )

      /** An event of an entity, once the domain has come as far. */
      const event = Effect.fnUntraced(function* ({ domain, type, key }: Ref, which: Partial<EventRow>) {
        const find = attempt(async () => (await events.findOne({ domain, type, key, ...which }, fresh)) ?? undefined)
        const row = yield* lookup(domain, find)
        if (row === undefined) return undefined
        yield* head(domain, row.position)
        return eventOf(row)
      })

      const read = Effect.fnUntraced(function* (domain: string, after: bigint, limit: number) {
        const { position } = (yield* head(domain, after + BigInt(limit))) ?? { position: 0n }
        if (position <= after) return { events: [], scanned: after }
        const rows = { $gt: placeId({ domain, position: after }), $lte: placeId({ domain, position }) }
        const page = yield* attempt(async () => {
          const found: Array<Event> = []
          let bytes = 0
          const once = { ...fresh, batchSize: limit, limit }
          for await (const row of events.find({ domain, _id: rows }, once).sort({ _id: 1 })) {
            bytes += row.values.length
            // Two are always given: a stream knows the first one, by which it sees that the log is still the same.
            if (bytes > logPageBytesMax && found.length > 1) break
            if (row.position !== after + BigInt(found.length) + 1n) break
            found.push(eventOf(row))
          }
          return found
        })
        // Nobody may take a row that cannot be seen for the end of the log.
        if (page.length === 0) return yield* away(new Error(`${domain} has no row at ${after + 1n}, below its mark`))
        return { events: page, scanned: page.at(-1)!.position }
      })

      const heads = Effect.fnUntraced(function* (glob: Glob, limit: number) {
        if (glob.literal !== undefined) {
          const found = yield* head(glob.literal)
          return found === undefined ? [] : [found].slice(0, limit)
        }
        const marks = yield* attempt(async () => {
          const found: Array<Head> = []
          for await (const row of domains.find({ _id: { $gte: glob.prefix } }, soon).sort({ _id: 1 })) {
            if (found.length === limit || !row.domain.startsWith(glob.prefix)) break
            if (matches(glob, row.domain)) found.push(headOf(row))
          }
          return found
        })
        return yield* settled(marks)
      })

      const movedSince = Effect.fnUntraced(function* (mark: string | undefined) {
        if (mark === undefined) yield* readable
        const since = new Date(Number(mark) - movedOverlapMs)
        const now = yield* serverMillis(client)
        const moved = attempt(() => domains.find({ moved: { $gt: since } }, fresh).toArray())
        const heads = mark === undefined ? [] : yield* settled((yield* moved).map(headOf))
        return { heads, mark: String(now) }
      })

      const store = EventStore.of({
        capacity: { commits: claimsAtOnceMax, domains: 1, events: commitEventsMax, bytes: claimBytesMax },
        commit,
        state: (ref) =>
          Effect.map(
            attempt(() => entities.findOne({ _id: refId(ref), domain: ref.domain }, { ...fresh, ...byId })),
            (row) => (row === null ? undefined : stateOf(row))
          ),
        version: (ref, version) => event(ref, { version }),
        event: (ref, id) => event(ref, { id }),
        entities: (search) => searchEntities(opened, search),
        events: (search) =>
          Effect.flatMap(head(search.domain), (upTo) =>
            upTo === undefined ? Effect.succeed(emptyPage) : searchEvents(opened, upTo, search)
          ),
        read,
        heads,
        movedSince
      })
      const asked = serverMillis(questions)
      const guarded = yield* clockGuarded(yield* silenceGuarded(store, asked, isSaid), asked)
      const version: typeof store.version = (ref, version) =>
        version > integerMax ? Effect.succeed(undefined) : guarded.version(ref, version)
      return Context.make(EventStore, { ...guarded, version }).pipe(Context.add(Projection, projection(opened)))
    })
  )
