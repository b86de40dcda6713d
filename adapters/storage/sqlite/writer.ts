import { once } from "node:events"
import { Worker } from "node:worker_threads"
import { Effect, type Scope } from "effect"
import { away, Defect, OutcomeUnknown, Unavailable } from "../../../application/failure.ts"
import { Detached, Moved } from "./file.ts"
import type { Outcome, Task } from "./transaction.ts"

/** Hands tasks to the thread that writes. One at a time: who calls sees to that. */
export interface Writer {
  /** Succeeds when it is done, for ever; answers in any case, whatever becomes of the thread. */
  readonly ask: (task: Task) => Effect.Effect<void, Unavailable | OutcomeUnknown | Defect>
}

export interface WriterSettings {
  readonly path: string
  /** Is told after each task whether the thread has the database open. */
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
    // Who waits for it hears of its end; with nobody there an error would end the process.
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
      if (task._tag !== "Write") return Effect.fail(away(outcome))
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
  return Effect.fail(forCallers.has(outcome.cause) ? new Unavailable({ message: outcome.cause, cause }) : away(cause))
}

/** Messages that say nothing of the inside. */
const forCallers = new Set([new Moved().message, new Detached().message])
