import { large as largeHeap, startCassandra } from "../../test/services/cassandra.ts"
import { startFerretdb } from "../../test/services/ferretdb.ts"
import { startPostgres } from "../../test/services/postgres.ts"
import { byHand, gateway, type Load, load, type Server } from "../processes.ts"
import { median, type Report, type Row } from "../table.ts"
import { readAll } from "./replay.ts"

interface Store {
  readonly name: "postgres" | "mongo" | "cassandra"
  readonly server: string
  readonly start: () => Promise<{
    readonly addr: string
    readonly fresh: () => object
    readonly remove: () => Promise<void>
  }>
  /** How many Sets by 64 callers there should be to one by hand. */
  readonly aim?: number
  /** Events with which growth is looked at, beside a thousand. */
  readonly large: number
  /** Runs before anything is measured, of the gateway and by hand: Java is slow until it has compiled what is used. */
  readonly warmRuns?: number
}

/** Entities that are set and read, as the load generator has them. */
const keys = 1_000
const large = Number(process.env["STATEGATE_BENCH_EVENTS"] ?? 100_000)

const stores: ReadonlyArray<Store> = [
  { name: "postgres", server: "PostgreSQL", start: startPostgres, aim: 5, large },
  {
    name: "cassandra",
    server: "Cassandra",
    start: () => startCassandra({ java: largeHeap }),
    aim: 2,
    large,
    warmRuns: 6
  },
  // An emulation, which makes no claim about MongoDB.
  { name: "mongo", server: "FerretDB", start: () => startFerretdb(), large }
]

const rowOf = (what: string, loads: ReadonlyArray<Load>): Row => {
  const ms = (of: (load: Load) => number) => median(loads.map(of)).toFixed(2)
  const more = `p50 ${ms(({ p50Ms }) => p50Ms)} ms, p90 ${ms(({ p90Ms }) => p90Ms)} ms, p99 ${ms(({ p99Ms }) => p99Ms)} ms`
  return { what, value: median(loads.map(({ perSecond }) => perSecond)), unit: "/s", more }
}

const medianOf = (loads: ReadonlyArray<Load>, of: (load: Load) => number) => median(loads.map(of))

/** One store under its gateway, and the same work by hand, in turns. */
const beside = async (program: string, runs: number, store: Store): Promise<Report> => {
  const { name, server, start, aim, large, warmRuns = 0 } = store
  const service = await start()
  try {
    const place = service.fresh()
    const ours = await gateway({ name, ...place })
    await load(program, ours, "stategate-set", "-fill", String(keys))
    for (let run = 0; run < warmRuns; run++) {
      await load(program, ours, "stategate-set", "-c", "64")
      await byHand(name, service.addr, "set", 64)
    }
    const rows: Array<Row> = []
    const ratios: Array<Report["ratios"][number]> = []
    for (const call of ["set", "get"] as const) {
      for (const callers of [1, 64]) {
        const gated: Array<Load> = []
        const bare: Array<Load> = []
        for (let run = 0; run < runs; run++) {
          gated.push(await load(program, ours, `stategate-${call}`, "-c", String(callers)))
          bare.push(await byHand(name, service.addr, call, callers))
        }
        const what = `${call === "set" ? "Set" : "Get"}, ${callers === 1 ? "1 caller" : `${callers} callers`}`
        rows.push(rowOf(`${what}, gateway`, gated), rowOf(`${what}, by hand`, bare))
        const value = medianOf(gated, ({ perSecond }) => perSecond) / medianOf(bare, ({ perSecond }) => perSecond)
        const isAimed = call === "set" && callers === 64 && aim !== undefined
        ratios.push({ what: `${what}: gateway / by hand`, value, ...(isAimed ? { aim: { min: aim } } : {}) })
        if (call === "set" && callers === 1) {
          const added = medianOf(gated, ({ p90Ms }) => p90Ms) - medianOf(bare, ({ p90Ms }) => p90Ms)
          ratios.push({ what: "Set, 1 caller: milliseconds added at p90", value: added, aim: { max: 0.75 } })
        }
      }
    }
    const byHandEvents = await byHand(name, service.addr, "replay", 1)
    const shared = await together(program, runs, [ours, ...(await more(3, { name, ...place }))])
    const grown = await growth(program, runs, name, service.fresh(), large)
    const readByHand = { what: "all events by hand, in any order", value: byHandEvents.perSecond, unit: "events/s" }
    const value = grown.replayed / byHandEvents.perSecond
    return {
      title: `${server} under the gateway, and with its bare driver`,
      rows: [...rows, ...shared.rows, ...grown.rows, readByHand],
      ratios: [...ratios, ...shared.ratios, ...grown.ratios, { what: "replay: gateway / by hand", value }]
    }
  } finally {
    await service.remove()
  }
}

const more = (gateways: number, storage: object) =>
  Promise.all(Array.from({ length: gateways }, () => gateway(storage)))

/** The same callers on one gateway and on several, all in one domain, in turns. Ends the gateways. */
const together = async (program: string, runs: number, gateways: ReadonlyArray<Server>) => {
  const callers = 64
  const set = (server: Server, some: number) => load(program, server, "stategate-set", "-c", String(some))
  const alone: Array<Load> = []
  const shared: Array<ReadonlyArray<Load>> = []
  for (let run = 0; run < runs; run++) {
    alone.push(await set(gateways[0]!, callers))
    shared.push(await Promise.all(gateways.map((server) => set(server, callers / gateways.length))))
  }
  for (const server of gateways) await server.stop()
  const value = median(shared.map((loads) => loads.reduce((sum, { perSecond }) => sum + perSecond, 0)))
  const p99 = median(shared.map((loads) => Math.max(...loads.map(({ p99Ms }) => p99Ms)))).toFixed(2)
  return {
    rows: [
      rowOf(`Set, ${callers} callers, one gateway`, alone),
      { what: `Set, ${callers} callers, ${gateways.length} gateways`, value, unit: "/s", more: `worst p99 ${p99} ms` }
    ],
    ratios: [
      {
        what: `Set, one domain: ${gateways.length} gateways / one`,
        value: value / medianOf(alone, ({ perSecond }) => perSecond)
      }
    ]
  }
}

/** A fresh place with a thousand events, then with many more: what one caller waits for, and how fast all is read. */
const growth = async (program: string, runs: number, name: string, place: object, large: number) => {
  const server = await gateway({ name, ...place })
  await load(program, server, "stategate-set", "-fill", String(keys))
  const rows: Array<Row> = []
  const p50: Record<"set" | "get", Array<number>> = { set: [], get: [] }
  for (const events of [keys, large]) {
    if (events > keys) await load(program, server, "stategate-apply", "-fill", String((events - keys) / 100), "-c", "8")
    for (const call of ["set", "get"] as const) {
      const loads: Array<Load> = []
      for (let run = 0; run < runs; run++) loads.push(await load(program, server, `stategate-${call}`, "-c", "1"))
      p50[call].push(medianOf(loads, ({ p50Ms }) => p50Ms))
      rows.push(
        rowOf(`${call === "set" ? "Set" : "Get"}, 1 caller, from ${events.toLocaleString("en-US")} events on`, loads)
      )
    }
  }
  const replayed = await readAll(server, large)
  rows.push({ what: "replay of the log, one stream", value: replayed, unit: "events/s" })
  await server.stop()
  const ratios = (["set", "get"] as const).map((call) => ({
    what: `${call === "set" ? "Set" : "Get"} p50 with ${large.toLocaleString("en-US")} / with 1,000 events`,
    value: p50[call][1]! / p50[call][0]!
  }))
  return { rows, ratios, replayed }
}

export const onStores = (program: string, runs: number): ReadonlyArray<readonly [string, () => Promise<Report>]> =>
  stores.map((store) => [store.name, () => beside(program, runs, store)])
