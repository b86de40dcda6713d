// Small histories of a log, its streams and its channel, and every order in which they may come that differs from the
// usual one in a few places.

import { assert, describe, test } from "vitest"
import { type Change, FeedModel, type Kind } from "./feed-model.ts"

/** Which option is taken where it is not the first: by how many were taken before. */
type Deviations = ReadonlyArray<readonly [at: number, option: number]>

/** Runs a history once; answers how many options there were at each place. */
const run = (changes: ReadonlyArray<Change>, order: ReadonlyArray<Kind>, deviations: Deviations): Array<number> => {
  const model = new FeedModel(changes)
  const counts: Array<number> = []
  const chosen = new Map(deviations)
  const isWhole = changes.every((change) => change !== "cut" && change !== "reborn" && change !== "swap")
  try {
    while (counts.length < 60) {
      const options = model.options(order)
      if (options.length === 0) break
      model.take(options[chosen.get(counts.length) ?? 0]!)
      if (isWhole) assert.isFalse(model.isRewound(), "no rewind is reported while the log is whole")
      counts.push(options.length)
    }
    model.finish()
    if (model.failure !== undefined) throw model.failure
    return counts
  } catch (cause) {
    throw new Error(`${changes} (${order}), with ${JSON.stringify(deviations)}: ${cause}`, { cause })
  } finally {
    model.close()
  }
}

/** Runs it in every order with at most so many deviations from the usual one; answers how many there were. */
const explore = (
  changes: ReadonlyArray<Change>,
  order: ReadonlyArray<Kind>,
  deviationsMax: number,
  deviations: Deviations = []
): number => {
  const counts = run(changes, order, deviations)
  let runs = 1
  if (deviations.length === deviationsMax) return runs
  for (let at = (deviations.at(-1)?.[0] ?? -1) + 1; at < counts.length; at++) {
    for (let option = 1; option < counts[at]!; option++) {
      runs += explore(changes, order, deviationsMax, [...deviations, [at, option]])
    }
  }
  return runs
}

const quick: ReadonlyArray<Kind> = ["answer", "hear", "world", "poll"]
/** Much happens before anything is heard of it. */
const slow: ReadonlyArray<Kind> = ["world", "poll", "answer", "hear"]

/** Only looks at the heads tell of what happened; announcements come while the store is asked for it. */
const polled: ReadonlyArray<Kind> = ["answer", "world", "poll", "hear"]

const histories: ReadonlyArray<readonly [string, ReadonlyArray<Change>]> = [
  ["a log that grows", ["commit", "open", "commit", "commit"]],
  ["a domain that is new", ["wide", "commit", "commit"]],
  ["a log that is read from its beginning", ["commit", "commit", "all", "commit"]],
  ["a log that loses its end, and grows again", ["commit", "open", "commit", "cut", "commit", "commit"]],
  ["another log in its place", ["commit", "open", "swap", "commit", "open", "commit"]],
  ["the same events under another identity", ["commit", "open", "reborn", "commit"]],
  ["a stream that opens while the log is gone", ["commit", "open", "swap", "open", "commit", "commit"]],
  ["a log that is gone before a stream opens", ["commit", "swap", "wide", "commit"]]
]

/** More where there is time: the number of orders grows with its power. */
const deviationsMax = process.env["STATEGATE_TEST_FEED"] === "long" ? 2 : 1

describe("every order of", () => {
  test.each(histories)("%s", { timeout: 300_000 }, (_, changes) => {
    const runs = explore(changes, quick, 1) + explore(changes, polled, 1) + explore(changes, slow, deviationsMax)
    assert.isAbove(runs, 30)
  })
})
