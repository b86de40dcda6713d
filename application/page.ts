import type { TooLarge } from "../domain/rejection.ts"
import { pageBytesMax, scanRowsMax } from "./limits.ts"

/** Rows as one page, or why they are no page: counted while they are read, so that no store loads more than it serves. */
export const pageOf = <A>(rows: Iterable<A>, bytesOf: (row: A) => number): ReadonlyArray<A> | TooLarge => {
  const page: Array<A> = []
  let bytes = 0
  for (const row of rows) {
    bytes += bytesOf(row)
    if (bytes > pageBytesMax) {
      return { _tag: "TooLarge", message: `the page holds more than ${pageBytesMax} bytes; lower the limit` }
    }
    page.push(row)
  }
  return page
}

/** What a store answers when a search would have to look at more rows than `scanRowsMax`. */
export const scannedTooMuch: TooLarge = {
  _tag: "TooLarge",
  message: `the search would look at more than ${scanRowsMax} rows; narrow the type, the filter or the times`
}
