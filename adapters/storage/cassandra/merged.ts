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
