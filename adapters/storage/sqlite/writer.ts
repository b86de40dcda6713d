import { once } from "node:events"
import { Worker } from "node:worker_threads"
import { Effect, type Scope } from "effect"
import { Defect, OutcomeUnknown, storeUnavailable, Unavailable } from "../../../application/failure.ts"
import type { Opening } from "../../../application/ports/EventStore.ts"
import type { Head } from "../../../domain/batch.ts"
import type { Connection } from "./connection.ts"
import { Detached, Moved } from "./file.ts"
import type { Step } from "./statements.ts"
import type { Outcome, Task } from "./transaction.ts"

/** What is done to a file by the thread that writes, in step with the connection of the one that reads. One at a time. */
export interface Writes {
  /** Keeps other writers out from now on. */
  readonly open: Effect.Effect<void, Unavailable>
  /** Does what was decided, which makes these heads. */
  readonly write: (
    steps: ReadonlyArray<Step>,
    heads?: ReadonlyArray<Head>
  ) => Effect.Effect<void, Unavailable | OutcomeUnknown | Defect>
  /** Reopens the database on both sides, with everything that was in a log that was removed. */
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

/** Hands tasks to the thread that writes. The caller hands over one at a time. */
export interface Writer {
  /** Succeeds when it is done, for ever; answers in any case, whatever becomes of the thread. */
  readonly ask: (task: Task) => Effect.Effect<void, Unavailable | OutcomeUnknown | Defect>
}

export interface WriterSettings {
  readonly path: string
  /** Called after each task with whether the thread has the database open. */
  readonly onState: (isOpen: boolean) => void
  /** What runs in the thread; another one in tests. */
  readonly thread?: URL
}

/** Starts the thread; it has let go of the file when the scope is closed. */
export const writer = ({
  path,
  onState,
  thread = new URL("./writer-thread.ts", import.meta.url)
}: WriterSettings): Effect.Effect<Writer, never, Scope.Scope> => {
  let current: Worker | undefined
  const running = (): Worker => {
    if (current !== undefined) return current
    const started = new Worker(thread, { workerData: path, name: "sqlite" })
    started.once("exit", () => {
      if (current === started) current = undefined
    })
    // `asked` learns of its end; without a listener an error would end the process.
    started.on("error", () => {})
    current = started
    return started
  }
  /** The outcome, or why the thread has ended without one; its connection is closed then. */
  const asked = (task: Task) =>
    Effect.callback<Outcome | Error>((resume) => {
      const to = running()
      let cause = new Error("the thread that writes has ended")
      const done = (outcome: Outcome | Error) => {
        to.off("message", done).off("error", onError).off("exit", onExit)
        onState(!(outcome instanceof Error) && outcome.isOpen)
        resume(Effect.succeed(outcome))
      }
      const onError = (error: unknown) => {
        if (error instanceof Error) cause = error
      }
      const onExit = () => done(cause)
      to.on("message", done).on("error", onError).on("exit", onExit)
      to.postMessage(task)
    })
  const ask = (task: Task) =>
    Effect.flatMap(asked(task), (outcome) => {
      if (!(outcome instanceof Error)) return effectOf(outcome)
      if (task._tag !== "Write") return Effect.fail(storeUnavailable(outcome))
      // It died and may have committed, so a new thread looks whether that is there.
      return Effect.flatMap(asked({ ...task, _tag: "Resolve", steps: [] }), (resolved) =>
        resolved instanceof Error ? Effect.fail(new OutcomeUnknown({ cause: resolved })) : effectOf(resolved)
      )
    })
  const stop = Effect.promise(async () => {
    if (current === undefined) return
    const ended = once(current, "exit")
    current.postMessage(undefined)
    await ended
  })
  return Effect.as(
    Effect.acquireRelease(Effect.sync(running), () => stop),
    { ask }
  )
}

const effectOf = (outcome: Outcome): Effect.Effect<void, Unavailable | OutcomeUnknown | Defect> => {
  if (outcome._tag === "Written") return Effect.void
  const cause = new Error(outcome.cause)
  if (outcome._tag === "Unknown") return Effect.fail(new OutcomeUnknown({ cause }))
  if (outcome._tag === "Refused") return Effect.fail(new Defect({ cause }))
  return Effect.fail(
    forCallers.has(outcome.cause) ? new Unavailable({ message: outcome.cause, cause }) : storeUnavailable(cause)
  )
}

/** Messages that say nothing of the inside. */
const forCallers = new Set([new Moved().message, new Detached().message])
