import { Context, Effect, Layer } from "effect"
import type { Unavailable } from "../../../application/failure.ts"
import { commitBytesMax, commitEventsMax, headsSliceMax } from "../../../application/limits.ts"
import { EventStore } from "../../../application/ports/EventStore.ts"
import { Projection } from "../../../application/ports/Projection.ts"
import { silenceGuarded } from "../../../application/storage/circuit-breaker.ts"
import { clockGuarded } from "../../../application/storage/clock-guard.ts"
import type { Head } from "../../../domain/batch.ts"
import type { Ref } from "../../../domain/entity.ts"
import type { Event } from "../../../domain/event.ts"
import { type Glob, matches } from "../../../domain/glob.ts"
import type { PostgresSettings } from "./address.ts"
import { commits } from "./commit.ts"
import { isSaid } from "./connection.ts"
import { open } from "./database.ts"
import type { Param } from "./filter.ts"
import { asked, given, lent } from "./pool.ts"
import { projection } from "./projection.ts"
import { type DomainRow, type EntityRow, type EventRow, eventOf, headOf, integerMax, stateOf } from "./rows.ts"
import { searchEntities, searchEvents } from "./search.ts"
import * as statements from "./statements.ts"

/** Without a name, and whatever else a head has, where none moved. */
type MovedRow = { readonly mark: string } & (DomainRow | { readonly name?: null })

/**
 * A database of PostgreSQL, for any number of gateways. Every commit is one transaction, in which the row of its domain
 * is locked; what is read is read from the server that takes writes, as it is at that moment.
 */
export const layer = (settings: PostgresSettings): Layer.Layer<EventStore | Projection, Unavailable> =>
  Layer.effectContext(
    Effect.gen(function* () {
      const database = yield* open(settings)
      const { reads } = database

      const rows = <Row extends object>(text: string, params: ReadonlyArray<Param> = []) =>
        asked<Row>(reads, text, params)

      const event = (
        { domain, type, key }: Ref,
        text: string,
        which: Param
      ): Effect.Effect<Event | undefined, Unavailable> =>
        Effect.map(rows<EventRow>(text, [domain, type, key, which]), ([row]) => row && eventOf(domain, row))

      const heads = (glob: Glob, limit: number): Effect.Effect<ReadonlyArray<Head>, Unavailable> =>
        lent(reads, async (connection) => {
          if (glob.literal !== undefined) {
            const found = await connection.query<DomainRow>(statements.domainByName, [glob.literal])
            return found.map(headOf).slice(0, limit)
          }
          const found: Array<Head> = []
          for (let last = ""; ; ) {
            const slice = await connection.query<DomainRow>(statements.domainsFrom, [glob.prefix, last])
            for (const row of slice) {
              if (found.length === limit || !row.name.startsWith(glob.prefix)) return found
              if (matches(glob, row.name)) found.push(headOf(row))
              last = row.name
            }
            if (slice.length < headsSliceMax) return found
          }
        })

      const storeMillis = Effect.map(
        given(database.questions, (connection) => connection.query<{ readonly now: number }>(statements.clock)),
        ([row]) => row!.now
      )

      const store = EventStore.of({
        capacity: {
          commits: database.commits.size,
          domains: commitEventsMax,
          events: commitEventsMax,
          bytes: commitBytesMax
        },
        commit: commits(database.commits),
        state: ({ domain, type, key }) =>
          Effect.map(rows<EntityRow>(statements.entity, [domain, type, key]), ([row]) => row && stateOf(domain, row)),
        version: (ref, version) => event(ref, statements.eventByVersion, version),
        event: (ref, id) => event(ref, statements.eventById, id),
        entities: (wanted) => searchEntities(reads, wanted),
        events: (wanted) => searchEvents(reads, wanted),
        read: (domain, after, limit) =>
          Effect.map(rows<EventRow>(statements.eventsAfter, [domain, after, BigInt(limit)]), (found) => ({
            events: found.map((row) => eventOf(domain, row)),
            scanned: found.at(-1)?.position ?? after
          })),
        heads,
        movedSince: (mark) =>
          Effect.map(
            mark === undefined ? rows<MovedRow>(statements.markOfNow) : rows<MovedRow>(statements.domainsSince, [mark]),
            (found) => ({
              heads: found.filter((row): row is MovedRow & DomainRow => typeof row.name === "string").map(headOf),
              mark: found[0]!.mark
            })
          )
      })
      const guarded = yield* clockGuarded(yield* silenceGuarded(store, storeMillis, isSaid), storeMillis)
      const version: typeof store.version = (ref, version) =>
        version > integerMax ? Effect.succeed(undefined) : guarded.version(ref, version)
      return Context.make(EventStore, { ...guarded, version }).pipe(Context.add(Projection, projection(database)))
    })
  )
