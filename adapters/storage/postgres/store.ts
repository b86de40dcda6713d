import { Context, Effect, Layer } from "effect"
import type { Unavailable } from "../../../application/failure.ts"
import { commitBytesMax, commitEventsMax, headsSliceMax } from "../../../application/limits.ts"
import { EventStore } from "../../../application/ports/EventStore.ts"
import { Projection } from "../../../application/ports/Projection.ts"
import { type HeadReads, headsMatching } from "../../../application/storage/heads.ts"
import { networkStore } from "../../../application/storage/network-store.ts"
import type { Ref } from "../../../domain/entity.ts"
import { commits } from "./commit.ts"
import { open, type PostgresSettings } from "./connection.ts"
import { isServerReply } from "./errors.ts"
import type { Param } from "./filter.ts"
import { asked, given, lent } from "./pool.ts"
import { projection } from "./projection.ts"
import { type DomainRow, type EntityRow, type EventRow, eventOf, headOf, stateOf } from "./rows.ts"
import { searchEntities, searchEvents } from "./search.ts"
import * as statements from "./statements.ts"

/** Without a name, and whatever else a head has, where none moved. */
type MovedRow = { readonly token: string } & (DomainRow | { readonly name?: null })

/**
 * A database of PostgreSQL, for any number of gateways. Every commit is one transaction, in which the row of its domain
 * is locked; what is read is read from the server that takes writes, as it is at that moment.
 */
export const layer = (settings: PostgresSettings): Layer.Layer<EventStore | Projection, Unavailable> =>
  Layer.effectContext(
    Effect.gen(function* () {
      const opened = yield* open(settings)
      const { reads } = opened

      const rows = <Row extends object>(text: string, params: ReadonlyArray<Param> = []) =>
        asked<Row>(reads, text, params)

      const event = ({ domain, type, key }: Ref, text: string, which: Param) =>
        Effect.map(rows<EventRow>(text, [domain, type, key, which]), ([row]) => row && eventOf(domain, row))

      const head: HeadReads["head"] = (domain) =>
        Effect.map(rows<DomainRow>(statements.domainByName, [domain]), ([row]) => row && headOf(row))

      const headsFrom: HeadReads["headsFrom"] = (prefix, visit) => {
        // Outside of what is lent: after a lost connection it goes on where it was.
        let last = ""
        return lent(reads, async (client) => {
          while (true) {
            const slice = await client.query<DomainRow>(statements.domainsFrom, [prefix, last])
            for (const row of slice) {
              last = row.name
              if (!visit(headOf(row))) return
            }
            if (slice.length < headsSliceMax) return
          }
        })
      }

      const healthCheck = Effect.map(
        given(opened.healthChecks, (client) => client.query<{ readonly now: number }>(statements.clock)),
        ([row]) => row!.now
      )

      const store = EventStore.of({
        capacity: {
          commits: opened.commits.size,
          domains: commitEventsMax,
          events: commitEventsMax,
          bytes: commitBytesMax
        },
        commit: commits(opened.commits),
        state: ({ domain, type, key }) =>
          Effect.map(rows<EntityRow>(statements.entity, [domain, type, key]), ([row]) => row && stateOf(domain, row)),
        version: (ref, version) => event(ref, statements.eventByVersion, version),
        event: (ref, id) => event(ref, statements.eventById, id),
        entities: (wanted) => searchEntities(reads, wanted),
        events: (wanted) => searchEvents(reads, wanted),
        read: (domain, after, limit) =>
          Effect.map(rows<EventRow>(statements.eventsAfter, [domain, after, BigInt(limit)]), (found) =>
            found.map((row) => eventOf(domain, row))
          ),
        heads: headsMatching({ head, headsFrom }),
        movedSince: (changeToken) =>
          Effect.map(
            changeToken === undefined
              ? rows<MovedRow>(statements.tokenOfNow)
              : rows<MovedRow>(statements.domainsSince, [changeToken]),
            (found) => ({
              heads: found.filter((row): row is MovedRow & DomainRow => typeof row.name === "string").map(headOf),
              changeToken: found[0]!.token
            })
          )
      })
      const guarded = yield* networkStore(store, { healthCheck, isServerReply })
      return Context.make(EventStore, guarded).pipe(Context.add(Projection, projection(opened)))
    })
  )
