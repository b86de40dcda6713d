/** One line of the report. */
export interface Row {
  readonly what: string
  readonly value: number
  readonly unit: string
  /** What else was seen, such as percentiles. */
  readonly more?: string
}

export interface Ratio {
  readonly what: string
  readonly value: number
  /** At least, or at most, this. */
  readonly aim?: { readonly min?: number; readonly max?: number }
}

export interface Report {
  readonly title: string
  readonly rows: ReadonlyArray<Row>
  readonly ratios: ReadonlyArray<Ratio>
}

export const median = (values: ReadonlyArray<number>): number => {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)]!
}

export const percentile = (sorted: ReadonlyArray<number>, share: number): number =>
  sorted[Math.floor(share * (sorted.length - 1))] ?? 0

const number = (value: number): string =>
  value >= 100 ? Math.round(value).toLocaleString("en-US") : value.toFixed(value >= 10 ? 1 : 2)

const verdict = ({ value, aim }: Ratio): string => {
  if (aim === undefined) return ""
  const met = value >= (aim.min ?? Number.NEGATIVE_INFINITY) && value <= (aim.max ?? Number.POSITIVE_INFINITY)
  const wanted = aim.min === undefined ? `at most ${aim.max}` : `at least ${aim.min}`
  return ` (aim: ${wanted}; ${met ? "met" : "not met"})`
}

export const print = ({ title, rows, ratios }: Report): void => {
  const lines = [
    `\n## ${title}\n`,
    "| what | median | |",
    "|---|---:|---|",
    ...rows.map(({ what, value, unit, more = "" }) => `| ${what} | ${number(value)} ${unit} | ${more} |`),
    "",
    ...ratios.map((ratio) => `- ${ratio.what}: **${ratio.value.toFixed(2)}**${verdict(ratio)}`)
  ]
  process.stdout.write(`${lines.join("\n")}\n`)
}
