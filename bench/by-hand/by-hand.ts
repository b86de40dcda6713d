import { percentile } from "../table.ts"

// The same work with the bare driver, as somebody would write it who has no gateway: a program of its own.
// `node bench/by-hand/by-hand.ts postgres <address> <set|get|replay> <callers> <seconds>` prints what it measured, as JSON.

export interface Hand {
  readonly set: (key: string, values: typeof sample) => Promise<void>
  readonly get: (key: string) => Promise<void>
  /** Reads all events, page by page, in any order; answers how many. */
  readonly replay: (pageEvents: number) => Promise<number>
  readonly close: () => Promise<void>
}

export type ByHand = (addr: string, callers: number) => Promise<Hand>

/** Events that are read at once, as the gateway does. */
const pageEvents = 512

const sample = { message: "hello world", n: 1, nested: { x: "z".repeat(100) } }
const keys = 1_000
const warmMs = 500

const drivers: Readonly<Record<string, () => Promise<{ readonly byHand: ByHand }>>> = {
  postgres: () => import("./postgres.ts"),
  mongo: () => import("./mongo.ts"),
  cassandra: () => import("./cassandra.ts")
}

const say = (measured: object): Promise<never> =>
  new Promise(() => process.stdout.write(`${JSON.stringify(measured)}\n`, () => process.exit(0)))

if (import.meta.main) {
  const [store = "", addr = "", call = "", callers = "1", seconds = "4"] = process.argv.slice(2)
  const hand = await (await drivers[store]!()).byHand(addr, Number(callers))
  if (call === "replay") {
    const since = performance.now()
    const perSecond = (await hand.replay(pageEvents)) / ((performance.now() - since) / 1000)
    await hand.close()
    await say({ perSecond, p50Ms: 0, p90Ms: 0, p99Ms: 0, failed: 0 })
  }
  const once = (key: string) => (call === "set" ? hand.set(key, sample) : hand.get(key))
  const latencies: Array<number> = []
  for (let key = 0; key < keys; key += 50) {
    await Promise.all(Array.from({ length: 50 }, (_, i) => hand.set(`k${key + i}`, sample)))
  }
  const from = performance.now() + warmMs
  const until = from + 1000 * Number(seconds)
  const loop = async () => {
    while (performance.now() < until) {
      const since = performance.now()
      await once(`k${Math.floor(Math.random() * keys)}`)
      if (since >= from) latencies.push(performance.now() - since)
    }
  }
  await Promise.all(Array.from({ length: Number(callers) }, loop))
  const perSecond = latencies.length / Number(seconds)
  latencies.sort((a, b) => a - b)
  const at = (share: number) => percentile(latencies, share)
  const measured = { perSecond, p50Ms: at(0.5), p90Ms: at(0.9), p99Ms: at(0.99), failed: 0 }
  await hand.close()
  await say(measured)
}
