import { Clock, Context, Effect, Layer, Result, Semaphore } from "effect"
import { Defect, Unavailable } from "../../../application/failure.ts"
import {
  claimsBytesMax,
  commitBytesMax,
  commitEventsMax,
  logPageBytesMax,
  valuesBytesMax
} from "../../../application/limits.ts"
import { type Batch, EventStore, type Moved, type Opening } from "../../../application/ports/EventStore.ts"
import { Projection } from "../../../application/ports/Projection.ts"
import { warnIfClockLags } from "../../../application/storage/clock-lag.ts"
import { type HeadReads, headsMatching } from "../../../application/storage/heads.ts"
import { integerMax } from "../../../application/storage/range.ts"
import type { Ref } from "../../../domain/entity.ts"
import type { Event } from "../../../domain/event.ts"
import { decideUnits } from "./commit.ts"
import { Connection, type Looks, type Open } from "./connection.ts"
import { reasonOf } from "./errors.ts"
import { Detached } from "./file.ts"
import { projection } from "./projection.ts"
import { type DomainRow, type EntityRow, type EventRow, eventChars, eventOf, headOf, stateOf } from "./rows.ts"
import { searchEntities, searchEvents } from "./search.ts"
import { writerOf } from "./writer.ts"

export interface SqliteSettings {
  /** The file; its folder is made if it is not there. */
  readonly path: string
  /** Without it, the file is made if it is not there. */
  readonly opening?: Opening
  /** What runs in the thread that writes; another one in tests. */
  readonly thread?: URL
}

/**
 * One file, embedded: every commit is one transaction and one fsync, however many domains and events it holds. This
 * thread reads and decides; another one writes, so that nobody but the callers of a commit waits for the disk. The file
 * is locked for this process alone.
 */
export const layer = ({
  path,
  opening = "create",
  thread
}: SqliteSettings): Layer.Layer<EventStore | Projection, Unavailable> =>
  Layer.effectContext(
    Effect.gen(function* () {
      const refused = (cause: unknown) =>
        new Unavailable({ message: `the database cannot be opened: ${reasonOf(cause, path)}`, cause })
      const connection = yield* Effect.acquireRelease(
        Effect.try({ try: () => new Connection(path, opening), catch: refused }),
        (open) => Effect.sync(() => open.close())
      )
      yield* warnIfClockLags(connection.lastTime, yield* Clock.currentTimeNanos)

      /** One commit at a time: nothing is written between what one reads and what it writes. */
      const exclusively = Semaphore.withPermit(yield* Semaphore.make(1))
      const writes = yield* writerOf(connection, opening, thread)
      yield* Effect.mapError(writes.open, ({ cause }) => refused(cause))

      type Ask<A> = () => A | Unavailable | Detached
      /** Asks again after reopening the database, if the files beside it were removed. */
      const answered = <A>(ask: Ask<A>, reopen: Effect.Effect<void, Unavailable>): Effect.Effect<A, Unavailable> =>
        Effect.suspend(() => {
          const answer = ask()
          if (answer instanceof Unavailable) return Effect.fail(answer)
          if (!(answer instanceof Detached)) return Effect.succeed(answer)
          return Effect.flatMap(reopen, () => {
            const again = ask()
            if (again instanceof Detached) return Effect.fail(new Unavailable({ message: again.message, cause: again }))
            return again instanceof Unavailable ? Effect.fail(again) : Effect.succeed(again)
          })
        })
      // Many may find out at once, and the first of them reopens the files for all.
      const reopenIfDetached = Effect.suspend(() => {
        const found = connection.read(() => undefined, "always")
        return found instanceof Detached ? writes.reopen : Effect.void
      })
      const reopenExclusively = exclusively(Effect.uninterruptible(reopenIfDetached))
      const read = <A>(use: (open: Open) => A, looks?: Looks) =>
        answered(() => connection.read(use, looks), reopenExclusively)
      const atOnce = <A>(use: (open: Open) => A) => answered(() => connection.readOnce(use), reopenExclusively)

      const commit = Effect.fnUntraced(function* (batches: ReadonlyArray<Batch>) {
        const decide = () => connection.readOnce((open) => decideUnits(open, batches), "always")
        // Whatever went wrong by then, nothing is written.
        const decided = Effect.catchDefect(answered(decide, writes.reopen), (cause) => new Defect({ cause }))
        const { heads, steps } = yield* decided
        yield* writes.write(steps, heads)
        return heads
      })
      const once = (batches: ReadonlyArray<Batch>) =>
        Effect.result(exclusively(Effect.uninterruptible(commit(batches))))
      const alone = (batch: Batch) => Effect.map(once([batch]), (done) => Result.map(done, ([head]) => head!))

      const inDomain = <A>({ statements }: Open, name: string, use: (row: DomainRow) => A): A | undefined => {
        const row = statements.domain.get(name) as DomainRow | undefined
        return row === undefined ? undefined : use(row)
      }

      const head: HeadReads["head"] = (domain) => read((open) => inDomain(open, domain, headOf))
      const headsFrom: HeadReads["headsFrom"] = (prefix, visit) =>
        read(({ statements }) => {
          for (const row of statements.domains.iterate(prefix) as Iterable<unknown> as Iterable<DomainRow>)
            if (!visit(headOf(row))) break
        })

      const event = (ref: Ref, row: EventRow | undefined): Event | undefined =>
        row === undefined ? undefined : eventOf(ref.domain, row)

      const store = EventStore.of({
        capacity: { commits: 1, domains: commitEventsMax, events: commitEventsMax, bytes: commitBytesMax },
        commit: Effect.fnUntraced(function* (batches) {
          const done = yield* once(batches)
          // Only the batch that SQLite refuses is to fail.
          if (batches.length > 1 && Result.isFailure(done) && done.failure instanceof Defect) {
            return yield* Effect.forEach(batches, alone)
          }
          return batches.map((_, i) => Result.map(done, (heads) => heads[i]!))
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
        entities: (wanted) => searchEntities(atOnce, wanted),
        events: (wanted) => searchEvents(atOnce, wanted),
        read: (domain, after, limit) =>
          read((open) => inDomain(open, domain, (row) => logPage(open, row, after, limit)) ?? []),
        heads: headsMatching({ head, headsFrom }),
        movedSince: (changeToken) =>
          read(
            ({ statements }): Moved => {
              const { moved } = statements.last.get() as unknown as { readonly moved: bigint }
              const rows = changeToken === undefined ? [] : statements.moved.all(BigInt(changeToken))
              return { heads: (rows as unknown as ReadonlyArray<DomainRow>).map(headOf), changeToken: String(moved) }
            },
            // Readiness asks without a token.
            changeToken === undefined ? "always" : "at times"
          )
      })
      return Context.make(EventStore, store).pipe(
        Context.add(
          Projection,
          projection(read, (steps) => exclusively(Effect.uninterruptible(writes.write(steps))))
        )
      )
    })
  )

/** Events that cannot be more than one page, however large each of them is. */
const smallPageEvents = Math.floor(logPageBytesMax / (valuesBytesMax + claimsBytesMax))

const logPage = ({ statements }: Open, { id, name }: DomainRow, after: bigint, limit: number): ReadonlyArray<Event> => {
  const { bytes } = (limit > smallPageEvents
    ? statements.bytesAfter.get(id, after, limit)
    : { bytes: 0n }) as unknown as { readonly bytes: bigint }
  if (bytes <= logPageBytesMax) {
    const rows = statements.eventsAfter.all(id, after, limit) as unknown as ReadonlyArray<EventRow>
    return rows.map((row) => eventOf(name, row))
  }
  const events: Array<Event> = []
  let chars = 0
  for (const row of statements.eventsAfter.iterate(id, after, limit) as Iterable<unknown> as Iterable<EventRow>) {
    chars += eventChars(row)
    // At least two, since streams recognize the log by the first of them.
    if (chars > logPageBytesMax && events.length > 1) break
    events.push(eventOf(name, row))
  }
  return events
}
