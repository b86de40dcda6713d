import { once } from "node:events"
import { Worker } from "node:worker_threads"
import { Effect, type Scope } from "effect"
import { away, OutcomeUnknown, type Unavailable } from "../../../application/failure.ts"
import type { Outcome, Work } from "./transaction.ts"

/** Hands work to the thread that writes. One piece at a time: who calls sees to that. */
export interface Writer {
  readonly write: (work: Work) => Effect.Effect<void, Unavailable | OutcomeUnknown>
}

/** Starts the thread; it has let go of the file when the scope is closed. */
export const writer = (path: string): Effect.Effect<Writer, never, Scope.Scope> => {
  const start = () => new Worker(new URL("./writer-thread.ts", import.meta.url), { workerData: path, name: "sqlite" })
  let thread: Worker | undefined
  const running = (): Worker => {
    if (thread !== undefined) return thread
    const started = start()
    started.once("exit", () => {
      if (thread === started) thread = undefined
    })
    // Told to whoever waits for it; with nobody there it would end the process.
    started.on("error", () => {})
    thread = started
    return started
  }
  const write = (work: Work) =>
    Effect.callback<void, Unavailable | OutcomeUnknown>((resume) => {
      const to = running()
      const done = (outcome: Effect.Effect<void, Unavailable | OutcomeUnknown>) => {
        to.off("message", onMessage).off("error", onError).off("exit", onExit)
        resume(outcome)
      }
      const onMessage = (outcome: Outcome) => done(effectOf(outcome))
      // It has died, and what it did is not known.
      const onError = (cause: unknown) => done(Effect.fail(new OutcomeUnknown({ cause })))
      const onExit = () => onError(new Error("the thread that writes has ended"))
      to.on("message", onMessage).on("error", onError).on("exit", onExit)
      to.postMessage(work)
    })
  const stop = Effect.promise(async () => {
    if (thread === undefined) return
    const ended = once(thread, "exit")
    thread.postMessage(undefined)
    await ended
  })
  return Effect.as(
    Effect.acquireRelease(Effect.sync(running), () => stop),
    { write }
  )
}

const effectOf = (outcome: Outcome): Effect.Effect<void, Unavailable | OutcomeUnknown> => {
  if (outcome._tag === "Written") return Effect.void
  const cause = new Error(outcome.cause)
  return Effect.fail(outcome._tag === "NotWritten" ? away(cause) : new OutcomeUnknown({ cause }))
}
