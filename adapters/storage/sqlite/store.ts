import { Context, Effect, Layer, Result } from "effect"
import { OutcomeUnknown, Unavailable } from "../../../application/failure.ts"
import { commitBytesMax, commitEventsMax, logPageBytesMax } from "../../../application/limits.ts"
import { EventStore, type LogPage, type Moved } from "../../../application/ports/EventStore.ts"
import { Projection } from "../../../application/ports/Projection.ts"
import type { Head } from "../../../domain/batch.ts"
import type { Ref } from "../../../domain/entity.ts"
import type { Event } from "../../../domain/event.ts"
import { matches } from "../../../domain/glob.ts"
import { commitUnits, holds } from "./commit.ts"
import { Connection, type Open } from "./connection.ts"
import { projection } from "./projection.ts"
import { type DomainRow, type EntityRow, type EventRow, eventOf, headOf, integerMax, stateOf } from "./rows.ts"
import { searchEntities, searchEvents } from "./search.ts"

export interface SqliteSettings {
  /** The file; its folder is made if it is not there. */
  readonly path: string
}

/**
 * One file, embedded: every commit is one transaction and one fsync, however many domains and events it holds. The file
 * is locked for this process alone.
 */
export const layer = ({ path }: SqliteSettings): Layer.Layer<EventStore | Projection, Unavailable> =>
  Layer.effectContext(
    Effect.gen(function* () {
      const connection = yield* Effect.acquireRelease(
        Effect.try({
          try: () => {
            const opened = new Connection(path)
            opened.open()
            return opened
          },
          catch: (cause) =>
            new Unavailable({ message: `the database cannot be opened: ${reasonOf(cause, path)}`, cause })
        }),
        (open) => Effect.sync(() => open.close())
      )

      const read = <A>(use: (open: Open) => A): Effect.Effect<A, Unavailable> =>
        Effect.suspend(() => {
          const answer = connection.read(use)
          return answer instanceof Unavailable ? Effect.fail(answer) : Effect.succeed(answer)
        })

      const inDomain = <A>({ statements }: Open, name: string, use: (row: DomainRow) => A): A | undefined => {
        const row = statements.domain.get(name) as DomainRow | undefined
        return row === undefined ? undefined : use(row)
      }

      const event = (ref: Ref, row: EventRow | undefined): Event | undefined =>
        row === undefined ? undefined : eventOf(ref.domain, row)

      const store = EventStore.of({
        capacity: { commits: 1, events: commitEventsMax, bytes: commitBytesMax },
        commit: (units) =>
          Effect.sync(() => {
            const heads = connection.write((open) => commitUnits(open, units), holds)
            const isFailure = heads instanceof Unavailable || heads instanceof OutcomeUnknown
            return units.map((_, i) => (isFailure ? Result.fail(heads) : Result.succeed(heads[i]!)))
          }),
        state: (ref) =>
          read((open) =>
            inDomain(open, ref.domain, ({ id }) => {
              const row = open.statements.entity.get(id, ref.type, ref.key) as EntityRow | undefined
              return row === undefined ? undefined : stateOf(ref.domain, row)
            })
          ),
        version: (ref, version) =>
          version > integerMax
            ? Effect.succeed(undefined)
            : read((open) =>
                inDomain(open, ref.domain, ({ id }) =>
                  event(ref, open.statements.version.get(id, ref.type, ref.key, version) as EventRow | undefined)
                )
              ),
        event: (ref, eventId) =>
          read((open) =>
            inDomain(open, ref.domain, ({ id }) =>
              event(ref, open.statements.event.get(eventId, id, ref.type, ref.key) as EventRow | undefined)
            )
          ),
        entities: (wanted) => searchEntities(read, wanted),
        events: (wanted) => searchEvents(read, wanted),
        read: (domain, after, limit) =>
          read(
            (open) =>
              inDomain(open, domain, (row) => logPage(open, row, after, limit)) ?? { events: [], scanned: after }
          ),
        heads: (domains, limit) =>
          read(({ statements }) => {
            if (domains.literal !== undefined) {
              const row = statements.domain.get(domains.literal) as DomainRow | undefined
              return row === undefined ? [] : [headOf(row)].slice(0, limit)
            }
            const heads: Array<Head> = []
            for (const row of statements.domains.iterate(domains.prefix) as Iterable<unknown> as Iterable<DomainRow>) {
              if (heads.length === limit || !row.name.startsWith(domains.prefix)) break
              if (matches(domains, row.name)) heads.push(headOf(row))
            }
            return heads
          }),
        movedSince: (mark) =>
          read(({ statements }): Moved => {
            const { moved } = statements.lastMoved.get() as unknown as { readonly moved: bigint }
            const rows = mark === undefined ? [] : statements.moved.all(BigInt(mark))
            return { heads: (rows as unknown as ReadonlyArray<DomainRow>).map(headOf), mark: String(moved) }
          })
      })
      return Context.make(EventStore, store).pipe(Context.add(Projection, projection(connection)))
    })
  )

const logPage = ({ statements }: Open, { id, name }: DomainRow, after: bigint, limit: number): LogPage => {
  const events: Array<Event> = []
  let bytes = 0
  for (const row of statements.eventsAfter.iterate(id, after, limit) as Iterable<unknown> as Iterable<EventRow>) {
    bytes += row.values.length
    // One event is always given, so that whoever reads gets on.
    if (bytes > logPageBytesMax && events.length > 0) break
    events.push(eventOf(name, row))
  }
  return { events, scanned: events.at(-1)?.position ?? after }
}

const reasonOf = (cause: unknown, path: string): string => {
  const message = cause instanceof Error ? cause.message : String(cause)
  if (message.includes("database is locked")) return `${path} is in use by another process`
  return message.startsWith(path) ? message : `${path}: ${message}`
}
