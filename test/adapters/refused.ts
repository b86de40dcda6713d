// What a store refuses because of what is sent to it, where the checks before it have a bug.

import { Cause, Effect, Exit, type ManagedRuntime, Result } from "effect"
import { assert, describe, test } from "vitest"
import { Unavailable } from "../../application/failure.ts"
import { EventStore } from "../../application/ports/EventStore.ts"
import { type Draft, draftBatch, logOf, refIn } from "../contract/event-store/writing.ts"
import { fresh } from "../contract/law.ts"
import { tried } from "./away.ts"

interface Refused {
  /** A read of something that the store cannot look for. */
  readonly read: (store: EventStore["Service"], domain: string) => Effect.Effect<unknown, Unavailable>
  /** Events that it cannot keep. */
  readonly drafts: ReadonlyArray<Draft>
  /** What it says of them, for the log. */
  readonly words: RegExp
}

/** A store without transactions takes one domain at a time. */
export const refusesOnlyTheCulprit = <E>(
  { options }: { readonly options: object },
  open: () => ManagedRuntime.ManagedRuntime<EventStore, E>,
  { read, drafts, words }: Refused
): void => {
  describe("what a store refuses for what it says", options, () => {
    test("fails the batch that holds it as a defect, and no other", async () => {
      const one = open()
      for (const draft of drafts) {
        const [first, culprit, last] = [fresh("first"), fresh("culprit"), fresh("last")]
        const batches = [
          draftBatch(first, [{ key: "a" }]).batch,
          draftBatch(culprit, [{ key: "b" }, draft]).batch,
          draftBatch(last, [{ key: "a" }]).batch
        ]
        const told = new Map<number, boolean>()
        const results = await one.runPromise(
          EventStore.use((store) => store.commit(batches, (i, outcome) => told.set(i, Result.isSuccess(outcome))))
        )
        const failures = results.map((result) => (Result.isSuccess(result) ? "done" : result.failure._tag))
        assert.deepStrictEqual(failures, ["done", "Defect", "done"])
        for (const [i, isDone] of told) assert.strictEqual(isDone, i !== 1)
        const failure = results.find(Result.isFailure)!.failure
        assert.match(String("cause" in failure ? failure.cause : failure), words)
        const lengths = [first, culprit, last].map((domain) => Effect.map(logOf(domain), ({ length }) => length))
        assert.deepStrictEqual(await one.runPromise(Effect.all(lengths)), [1, 0, 1])
        assert.strictEqual((await one.runPromise(tried(culprit))).outcome, "done")
      }
    })

    test("is a defect of a read, and leaves the store as it was", async () => {
      const one = open()
      const domain = fresh("read")
      await one.runPromise(tried(domain))
      const exit = await one.runPromiseExit(EventStore.use((store) => read(store, domain)))
      assert.isTrue(Exit.isFailure(exit), String(exit))
      const cause = Exit.isFailure(exit) ? exit.cause : Cause.empty
      assert.notInstanceOf(Cause.squash(cause), Unavailable)
      assert.match(String(Cause.squash(cause)), words)
      assert.strictEqual(
        (await one.runPromise(EventStore.use((store) => store.state(refIn(domain, "a")))))?.version,
        1n
      )
    })
  })
}
