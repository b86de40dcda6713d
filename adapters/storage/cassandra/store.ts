import { Context, Effect, Layer } from "effect"
import type { Unavailable } from "../../../application/failure.ts"
import { logPageBytesMax } from "../../../application/limits.ts"
import { EventStore } from "../../../application/ports/EventStore.ts"
import { Projection } from "../../../application/ports/Projection.ts"
import { eventFrom } from "../../../application/storage/commit-records/record.ts"
import { type RecordStorePrimitives, recordStore } from "../../../application/storage/record-store.ts"
import { type Ref, refText } from "../../../domain/entity.ts"
import type { Event } from "../../../domain/event.ts"
import { compareText } from "../../../domain/query.ts"
import { commitPrimitives } from "./commit.ts"
import { type CassandraSettings, type Open, open } from "./connection.ts"
import { attempt, isServerReply } from "./errors.ts"
import { eventsAfter } from "./events.ts"
import { merged } from "./ordered.ts"
import { projection, statesIn } from "./projection.ts"
import { headOf, idTerm, parts, type Row, versionTerm } from "./rows.ts"
import { searchEntities, searchEvents } from "./search.ts"

const primitives = (opened: Open): RecordStorePrimitives => {
  const { cql, rows, each } = opened
  const states = statesIn(opened)

  const millis = Effect.map(
    attempt(() => rows(cql.now, [])),
    ([row]) => Number(row!["now"])
  )

  const eventOfRef = (ref: Ref, term: bigint, isWanted: (event: Event) => boolean) =>
    attempt(async () => {
      const { domain } = ref
      const having = (await rows(cql.textsWith, [term])).filter((row) => row["domain"] === domain)
      const events = having.map((row) => eventFrom(domain, row["text"]))
      return events.find((some) => refText(some.entity) === refText(ref) && isWanted(some))
    })

  const byDomain = (a: Row, b: Row) => compareText(a["domain"], b["domain"])

  return {
    ...commitPrimitives(opened),
    state: (ref) => Effect.map(states.read([ref]), ([state]) => state),
    version: (ref, version) => eventOfRef(ref, versionTerm(ref, version), ({ entity }) => entity.version === version),
    event: (ref, id) => eventOfRef(ref, idTerm(ref.domain, id), (some) => some.id === id),
    eventsBetween: (domain, after, upTo, limit) =>
      attempt(() => eventsAfter(opened, domain, after, upTo, { limit, bytesMax: logPageBytesMax })),
    entities: (search) => searchEntities(opened, search),
    events: (search, upTo) => searchEvents(opened, search, upTo),
    headsFrom: (prefix, visit) =>
      attempt(async () => {
        const inParts = parts.map((part) => each(cql.headsFrom, [part, prefix]))
        for await (const row of merged(inParts, byDomain)) if (!visit(headOf(row))) break
      }),
    headsMovedSince: (unixMs) =>
      Effect.map(
        attempt(() => rows(cql.headsMovedSince, [new Date(unixMs)])),
        (found) => found.map(headOf)
      ),
    now: millis,
    healthCheck: millis,
    isServerReply
  }
}

/**
 * A keyspace of Cassandra, for any number of gateways. A commit is the insert of one record by a lightweight
 * transaction; the rows that readers look at follow it.
 */
export const layer = (settings: CassandraSettings): Layer.Layer<EventStore | Projection, Unavailable> =>
  Layer.effectContext(
    Effect.gen(function* () {
      const opened = yield* open(settings)
      const store = yield* recordStore(primitives(opened))
      return Context.make(EventStore, store).pipe(Context.add(Projection, projection(opened)))
    })
  )
