import { Effect, type Scope } from "effect"
import { type Defect, type OutcomeUnknown, Unavailable } from "../../../application/failure.ts"
import type { Opening } from "../../../application/ports/EventStore.ts"
import type { Head } from "../../../domain/batch.ts"
import type { Connection } from "./connection.ts"
import type { Step } from "./statements.ts"
import { writer } from "./writer.ts"

/** What is done to a file by the thread that writes, in step with the connection of the one that reads. One at a time. */
export interface Writes {
  /** Keeps other writers out from now on. */
  readonly open: Effect.Effect<void, Unavailable>
  /** Does what was decided, which makes these heads. */
  readonly write: (
    steps: ReadonlyArray<Step>,
    heads?: ReadonlyArray<Head>
  ) => Effect.Effect<void, Unavailable | OutcomeUnknown | Defect>
  /** Opens the database anew on both sides, with all that was in a log that somebody took away. */
  readonly reopen: Effect.Effect<void, Unavailable>
}

const readOnly = new Unavailable({ message: "the store is open for reading alone" })

export const writerOf = (
  connection: Connection,
  opening: Opening,
  thread: URL | undefined
): Effect.Effect<Writes, never, Scope.Scope> => {
  if (opening === "read") {
    const reopen = Effect.sync(() => connection.drop())
    return Effect.succeed({ open: Effect.void, write: () => Effect.fail(readOnly), reopen })
  }
  const onState = (isOpen: boolean) => {
    connection.isOpenElsewhere = isOpen
  }
  const settings = { path: connection.path, onState, ...(thread === undefined ? {} : { thread }) }
  return Effect.map(writer(settings), ({ ask }) => {
    const asked = (_tag: "Open" | "Release") =>
      Effect.catchTag(
        Effect.suspend(() => ask({ _tag, files: connection.files })),
        ["OutcomeUnknown", "Defect"],
        ({ cause }) => Effect.fail(new Unavailable({ message: "the store is not available", cause }))
      )
    const open = asked("Open")
    const write = (steps: ReadonlyArray<Step>, heads: ReadonlyArray<Head> = []) => {
      if (steps.length === 0) return Effect.void
      const proof = heads.map(({ domain, eventId }) => [domain, eventId] as const).filter(([, id]) => id !== "")
      const asking = Effect.suspend(() => ask({ _tag: "Write", steps, proof, files: connection.files }))
      // After trouble with the file both threads have let go of it; one that is only elsewhere stays open on both sides.
      return Effect.tapError(asking, () =>
        Effect.sync(() => {
          if (!connection.isOpenElsewhere) connection.drop()
        })
      )
    }
    const tried = (work: () => void) =>
      Effect.try({
        try: work,
        catch: (cause) => new Unavailable({ message: cause instanceof Error ? cause.message : String(cause), cause })
      })
    const reopen = Effect.gen(function* () {
      yield* tried(() => connection.release())
      if (connection.isOpenElsewhere) yield* asked("Release")
      yield* tried(() => connection.reopen())
      yield* open
    })
    return { open, write, reopen }
  })
}
