import { pageItemsMax, scanRowsMax } from "../../../application/limits.ts"

/** Rows of several sources, each in an order, as one in that order; those that are the same come once. */
export async function* merged<Row>(
  sources: ReadonlyArray<AsyncGenerator<Row, void>>,
  compare: (a: Row, b: Row) => number
): AsyncGenerator<Row, void> {
  const next = async (source: AsyncGenerator<Row, void>) => {
    const { value } = await source.next()
    return value === undefined ? [] : [{ row: value, source }]
  }
  const waiting = (await Promise.all(sources.map(next))).flat().sort((a, b) => compare(a.row, b.row))
  let last: Row | undefined
  while (waiting.length > 0) {
    const { row, source } = waiting.shift()!
    if (last === undefined || compare(last, row) !== 0) yield row
    last = row
    const [following] = await next(source)
    if (following === undefined) continue
    // There are few of them.
    const at = waiting.findIndex((other) => compare(other.row, following.row) > 0)
    waiting.splice(at === -1 ? waiting.length : at, 0, following)
  }
}

/** There is more than may be looked at, and any part of it would be a wrong answer. */
export class TooMany extends Error {}

/**
 * Rows that are held of an index that has more, where a page may be made of those that come first: as many as may be
 * looked at, and the two reads in which that ends.
 */
const heldRowsMax = scanRowsMax + 2 * pageItemsMax

/** The first rows in an order, of more than may be held. Fails after them, so that they are not taken for all. */
export async function* firstOf<Row>(
  rows: AsyncIterable<Row>,
  compare: (a: Row, b: Row) => number,
  someWillDo: boolean
): AsyncGenerator<Row, void> {
  const held: Array<Row> = []
  for await (const row of rows) {
    if (held.push(row) > scanRowsMax && !someWillDo) throw new TooMany()
    if (held.length === 2 * heldRowsMax) held.sort(compare).splice(heldRowsMax)
  }
  yield* held.sort(compare).slice(0, heldRowsMax)
  if (held.length >= heldRowsMax) throw new TooMany()
}
