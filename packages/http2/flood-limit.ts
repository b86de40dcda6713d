/** An allowance on top of a limit's number: so many more for each answer. */
export interface Earned {
  /** Number of answers so far. */
  readonly answers: () => number
  readonly perAnswer: number
}

const nothing: Earned = { answers: () => 0, perAnswer: 0 }

/**
 * Returns a counter that calls `exceeded` when it is called more than `max` times in one window of `windowMs`, plus
 * `perAnswer` times for each answer in that window: a peer may send more while it is served, but not without end.
 */
export const floodLimit = (
  max: number,
  windowMs: number,
  exceeded: () => void,
  { answers, perAnswer }: Earned = nothing
): (() => void) => {
  let count = 0
  let since = performance.now()
  let answersBefore = answers()
  return () => {
    const now = performance.now()
    if (now - since >= windowMs) {
      since = now
      answersBefore = answers()
      count = 0
    }
    if (++count > max && count > max + perAnswer * (answers() - answersBefore)) exceeded()
  }
}
