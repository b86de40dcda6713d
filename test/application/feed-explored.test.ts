// Small histories of a log, its streams and its channel, and every order in which they may come that differs from the
// usual one in a few places.

import { assert, describe, test } from "vitest"
import { explore, run, type Trace } from "./feed-explore.ts"
import type { Change, Kind } from "./feed-model.ts"

const quick: ReadonlyArray<Kind> = ["answer", "hear", "pause", "world", "poll"]
/** Much happens before anything is heard of it. */
const slow: ReadonlyArray<Kind> = ["world", "poll", "answer", "hear", "pause"]

/** Only looks at the heads tell of what happened; announcements come while the store is asked for it. */
const polled: ReadonlyArray<Kind> = ["answer", "world", "poll", "hear", "pause"]

const histories: ReadonlyArray<readonly [string, ReadonlyArray<Change>]> = [
  ["a log that grows", ["commit", "open", "commit", "commit"]],
  ["a domain that is new", ["wide", "commit", "commit"]],
  ["a log that is read from its beginning", ["commit", "commit", "all", "commit"]],
  ["a log that loses its end, and grows again", ["commit", "open", "commit", "cut", "commit", "commit"]],
  ["a log that loses its end, and gets another", ["commit", "open", "commit", "cut", "commit"]],
  ["another log in its place", ["commit", "open", "swap", "commit", "open", "commit"]],
  ["the same events under another identity", ["commit", "open", "reborn", "commit"]],
  ["a stream that opens while the log is gone", ["commit", "open", "swap", "open", "commit", "commit"]],
  ["a stream that opens while the log is gone and an idle one is there", ["idle", "commit", "swap", "open", "commit"]],
  ["a log that is gone before a stream opens", ["commit", "swap", "wide", "commit"]]
]

/** More where there is time: the number of orders grows with its power. */
const deviationsMax = process.env["STATEGATE_TEST_FEED"] === "long" ? 2 : 1
/** One order again, as a failure has named it. */
const again = process.env["STATEGATE_TEST_FEED_TRACE"]

if (again === undefined) {
  describe("every order of", () => {
    test.each(histories)("%s", { timeout: 300_000 }, (_, changes) => {
      const runs = explore(changes, quick, 1) + explore(changes, polled, 1) + explore(changes, slow, deviationsMax)
      assert.isAbove(runs, 30)
    })
  })

  test("a failure tells each step, what was expected and came, and how to have it again", () => {
    const trace: Trace = { changes: ["commit", "open", "commit"], order: quick, deviations: [[1, 1]] }
    let message = ""
    try {
      run(trace, ({ streams }) => {
        if (streams[0]?.seen?.position === 2n) throw new Error("expected: nothing\ncame:     position 2")
      })
    } catch (failure) {
      message = (failure as Error).message
    }
    const lines = message.split("\n")
    assert.include(lines[1], "0. commit; there is log 1 with #1@1")
    assert.isTrue(lines.some((line) => /^ +\d+\. the channel brings #2@2 of log 1; stream 1 takes #2@2$/.test(line)))
    assert.deepStrictEqual(lines.slice(-3, -1), ["expected: nothing", "came:     position 2"])
    const json = /STATEGATE_TEST_FEED_TRACE='(.*)' npm test/.exec(lines.at(-1)!)![1]!
    assert.deepStrictEqual(JSON.parse(json), trace)
    assert.doesNotThrow(() => run(JSON.parse(json)))
  })
} else {
  test("the one order that was asked for", () => void run(JSON.parse(again)))
}
