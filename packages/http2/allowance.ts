/**
 * Counts, and calls `exceeded` when something happens more than `max` times within a window. The count begins anew when
 * `progress` has changed.
 */
export const allowance = (max: number, windowMs: number, exceeded: () => void, progress = () => 0): (() => void) => {
  let count = 0
  let since = performance.now()
  let reached = 0
  return () => {
    const now = performance.now()
    if (now - since >= windowMs || progress() !== reached) {
      since = now
      reached = progress()
      count = 0
    }
    if (++count > max) exceeded()
  }
}
