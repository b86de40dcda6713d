import { Counter, type Metric, type Registry } from "prom-client"
import type { CallRecord } from "../../../application/telemetry.ts"

/** Upper bounds of the buckets, in seconds: from a read in memory to the longest deadline. */
const bounds = [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60]

/** Calls of one method and protocol: how many by code, and how long they took. */
interface Cell {
  readonly method: string
  readonly protocol: string
  readonly codes: Map<string, number>
  /** The number of calls between the previous bound and the bound of the same index. */
  readonly buckets: Array<number>
  count: number
  seconds: number
}

/**
 * Counts calls in plain numbers, and makes metrics of them at each scrape: prom-client would sort and format the labels of
 * every call.
 */
export const countCalls = (registry: Registry): ((record: CallRecord) => void) => {
  const cells = new Map<string, Map<string, Cell>>()
  const all = () => [...cells.values()].flatMap((byProtocol) => [...byProtocol.values()])

  const cellOf = (method: string, protocol: string): Cell => {
    const found = cells.get(method)?.get(protocol)
    if (found !== undefined) return found
    const cell = { method, protocol, codes: new Map(), buckets: bounds.map(() => 0), count: 0, seconds: 0 }
    cells.set(method, (cells.get(method) ?? new Map()).set(protocol, cell))
    return cell
  }

  new Counter({
    name: "stategate_calls_total",
    help: "Calls that have ended, by method, protocol and gRPC code.",
    labelNames: ["method", "protocol", "code"],
    registers: [registry],
    collect() {
      this.reset()
      for (const { method, protocol, codes } of all()) {
        for (const [code, count] of codes) this.inc({ method, protocol, code }, count)
      }
    }
  })
  const name = "stategate_call_duration_seconds"
  const help = "Duration of calls without streams, which last as long as their callers like."
  const get = async () => ({ name, help, type: "histogram", aggregator: "sum", values: all().flatMap(seriesOf) })
  registry.registerMetric({ name, help, type: "histogram", get, reset: () => cells.clear() } as unknown as Metric)

  return ({ method, protocol, code, durationMs, sent }) => {
    const cell = cellOf(method, protocol)
    cell.codes.set(code, (cell.codes.get(code) ?? 0) + 1)
    if (sent !== undefined) return
    const seconds = durationMs / 1000
    cell.count += 1
    cell.seconds += seconds
    for (let i = 0; i < bounds.length; i++) {
      if (seconds > bounds[i]!) continue
      cell.buckets[i]! += 1
      break
    }
  }
}

/** The samples of a histogram as Prometheus wants them: each bucket holds all those before it. */
const seriesOf = ({ method, protocol, buckets, count, seconds }: Cell) => {
  if (count === 0) return []
  const labels = { method, protocol }
  let sum = 0
  const upTo = buckets.map((inside, i) => {
    sum += inside
    return { metricName: "stategate_call_duration_seconds_bucket", labels: { ...labels, le: bounds[i] }, value: sum }
  })
  return [
    ...upTo,
    { metricName: "stategate_call_duration_seconds_bucket", labels: { ...labels, le: "+Inf" }, value: count },
    { metricName: "stategate_call_duration_seconds_sum", labels, value: seconds },
    { metricName: "stategate_call_duration_seconds_count", labels, value: count }
  ]
}
