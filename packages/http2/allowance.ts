/** What a limit allows beside its number: so much for each answer. */
export interface Earned {
  /** Answers so far. */
  readonly answers: () => number
  readonly perAnswer: number
}

const nothing: Earned = { answers: () => 0, perAnswer: 0 }

/**
 * Counts, and calls `exceeded` when something happens more than `max` times within a window, plus `perAnswer` times for
 * each answer in that window: a peer that is served may send more, but never without end for one answer.
 */
export const allowance = (
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
