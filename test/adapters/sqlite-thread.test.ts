// The thread that writes to a SQLite file comes to an end in the middle of its work.

import { Effect } from "effect"
import { assert, test } from "vitest"
import { answerTo, folder, keysInLog, keysOnDisk, set, succeed } from "./sqlite-world.ts"

const ends = {
  "dies-before": { answer: /^Unavailable: the store is not available/, after: ["k1", "k2"] },
  "dies-after": { answer: /^done$/, after: ["k1", "dies-after", "k2"] },
  "throws-after": { answer: /^done$/, after: ["k1", "throws-after", "k2"] }
} as const

for (const [accident, { answer, after }] of Object.entries(ends)) {
  test(`a thread that ${accident.replace("-", " ")} a commit: its caller learns what became of it, and others go on`, async () => {
    const path = `${folder()}/x.db`
    const thread = new URL("./sqlite-thread.ts", import.meta.url)
    await succeed(
      { path, thread },
      Effect.gen(function* () {
        yield* set("k1")
        // One waits behind the other.
        const answers = yield* Effect.all([answerTo(accident), Effect.andThen(Effect.sleep(1), answerTo("k2"))], {
          concurrency: 2
        })
        assert.match(answers[0], answer)
        assert.strictEqual(answers[1], "done")
        assert.deepEqual<ReadonlyArray<string>>(yield* keysInLog(), after)
      })
    )
    assert.deepEqual(await keysOnDisk(path), after)
  })
}
