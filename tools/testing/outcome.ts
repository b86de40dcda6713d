// What a step of `npm test` reports, whatever tool ran it.

export interface Outcome {
  readonly passed: number
  readonly failed: number
  readonly skips: ReadonlyArray<Skip>
  readonly files: ReadonlyArray<{ readonly name: string; readonly milliseconds: number }>
}

export interface Skip {
  readonly what: string
  readonly why: string
  /** It is so everywhere: no installation would enable it. */
  readonly isLimitation?: boolean
}

/** A step that is one check: it counts as one test. */
export const checked = (ok: boolean): Outcome => ({ passed: ok ? 1 : 0, failed: ok ? 0 : 1, skips: [], files: [] })

/** A step that could not run here. */
export const unavailable = (skip: Skip): Outcome => ({ passed: 0, failed: 0, skips: [skip], files: [] })
