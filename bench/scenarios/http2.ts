import { gateway, inFolder, type Load, load, type Server } from "../processes.ts"
import { median, type Report } from "../table.ts"

/** How many times as fast ours must be for Get and Set together: below that, Node's would do. */
const kept = 1.3

const implementations = ["own", "node"] as const
const calls = ["stategate-get", "stategate-set"] as const

/** Get from memory and durable Set over gRPC, on our own HTTP/2 and on Node's, in turn. */
export const http2 = (program: string, runs: number): Promise<Report> =>
  inFolder(async (folder) => {
    const started: Array<Server> = []
    const measured = new Map<string, Array<Load>>()
    try {
      for (const name of implementations) {
        const env = { STATEGATE_HTTP2: name }
        const memory = await gateway({ name: "memory" }, env)
        started.push(memory)
        const sqlite = await gateway({ name: "sqlite", path: `${folder}/${name}.db` }, env)
        started.push(sqlite)
        await load(program, memory, "stategate-set", "-fill", "1000")
      }
      for (let run = 0; run < runs; run++) {
        for (const [i, name] of implementations.entries()) {
          for (const [j, call] of calls.entries()) {
            const loads = measured.get(`${call} ${name}`) ?? []
            measured.set(`${call} ${name}`, loads)
            loads.push(await load(program, started[2 * i + j]!, call))
          }
        }
      }
    } finally {
      for (const server of started) await server.stop()
    }
    const perSecond = (key: string) => median(measured.get(key)!.map((one) => one.perSecond))
    const ratio = (call: string) => perSecond(`${call} own`) / perSecond(`${call} node`)
    // Each call counts alike: what matters is the time of one Get and one Set.
    const both = (name: string) => calls.reduce((sum, call) => sum + 1 / perSecond(`${call} ${name}`), 0)
    return {
      title: "HTTP/2 of our own, and of Node: 64 callers over gRPC",
      rows: calls.flatMap((call) =>
        implementations.map((name) => ({
          what: `${call === "stategate-get" ? "Get, memory" : "Set, sqlite, durable"}, ${name}`,
          value: perSecond(`${call} ${name}`),
          unit: "/s"
        }))
      ),
      ratios: [
        { what: "Get, own / node", value: ratio("stategate-get") },
        { what: "Set, own / node", value: ratio("stategate-set") },
        { what: "a Get and a Set, own / node", value: both("node") / both("own"), aim: { min: kept } }
      ]
    }
  })
