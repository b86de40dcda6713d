// Runs a history of a feed in every order that differs from the default order at a few points. A failure lists all steps,
// and the deviations with which the same order runs again.

import { type Change, FeedModel, type Kind } from "./feed-model.ts"

/** Which option is taken where it is not the first: by how many were taken before. */
export type Deviations = ReadonlyArray<readonly [at: number, option: number]>

/** One order of what happens. */
export interface Trace {
  readonly changes: ReadonlyArray<Change>
  readonly order: ReadonlyArray<Kind>
  readonly deviations: Deviations
}

/** Steps of a history before nothing may go wrong any more. */
const stepsMax = 60

const report = (trace: Trace, steps: ReadonlyArray<string>, cause: unknown): string =>
  [
    `${trace.changes.join(", ")} ("#3@2" is the third event that was committed, at position 2):`,
    ...steps.map((step, i) => `${`${i}`.padStart(3)}. ${step}`),
    cause instanceof Error ? cause.message : String(cause),
    `again:    STATEGATE_TEST_FEED_TRACE='${JSON.stringify(trace)}' npm test -- test/application/feed-explored`
  ].join("\n")

/** Runs a history once; answers how many options there were at each place. `also` is looked at after each step. */
export const run = (trace: Trace, also: (model: FeedModel) => void = () => {}): Array<number> => {
  const model = new FeedModel(trace.changes)
  const counts: Array<number> = []
  const chosen = new Map(trace.deviations)
  const isWhole = trace.changes.every((change) => change !== "cut" && change !== "reborn" && change !== "swap")
  try {
    while (counts.length < stepsMax) {
      const options = model.options(trace.order)
      if (options.length === 0) break
      model.take(options[chosen.get(counts.length) ?? 0]!)
      if (isWhole && model.isRewound()) throw new Error("expected: a log that is whole\ncame:     a rewind is reported")
      also(model)
      counts.push(options.length)
    }
    model.finish()
    if (model.failure !== undefined) throw model.failure
    return counts
  } catch (cause) {
    throw new Error(report(trace, model.trace, cause))
  } finally {
    model.close()
  }
}

/** Runs a history in every order with at most this many deviations from the default. Answers the number of orders. */
export const explore = (
  changes: ReadonlyArray<Change>,
  order: ReadonlyArray<Kind>,
  deviationsMax: number,
  deviations: Deviations = []
): number => {
  const counts = run({ changes, order, deviations })
  let runs = 1
  if (deviations.length === deviationsMax) return runs
  for (let at = (deviations.at(-1)?.[0] ?? -1) + 1; at < counts.length; at++) {
    for (let option = 1; option < counts[at]!; option++) {
      runs += explore(changes, order, deviationsMax, [...deviations, [at, option]])
    }
  }
  return runs
}
