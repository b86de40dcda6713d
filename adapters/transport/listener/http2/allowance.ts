/** Counts, and calls `exceeded` when something happens more than `max` times within a window. */
export const allowance = (max: number, windowMs: number, exceeded: () => void) => {
  let count = 0
  let since = performance.now()
  return {
    use: () => {
      const now = performance.now()
      if (now - since >= windowMs) {
        since = now
        count = 0
      }
      if (++count > max) exceeded()
    },
    renew: () => {
      count = 0
    }
  }
}
