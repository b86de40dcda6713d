import { gateway, inFolder, load, residentMiB } from "../processes.ts"
import { median, type Report } from "../table.ts"

const sizes = [1_000, 1_000_000]

/** One caller, a store with a thousand entities and one with a million. */
export const growth = (program: string, runs: number): Promise<Report> =>
  inFolder(async (folder) => {
    const p50 = { set: [] as Array<number>, get: [] as Array<number> }
    const rows = []
    for (const size of sizes) {
      const server = await gateway({ name: "sqlite", path: `${folder}/${size}.db` })
      await load(program, server, "stategate-set", "-fill", String(size), "-c", "256")
      for (const call of ["set", "get"] as const) {
        const measured: Array<number> = []
        for (let run = 0; run < runs; run++) {
          const one = await load(program, server, `stategate-${call}`, "-c", "1", "-keys", String(size))
          measured.push(one.p50Ms)
        }
        p50[call].push(median(measured))
        rows.push({
          what: `${call === "set" ? "Set" : "Get"} p50, ${size.toLocaleString("en-US")} entities`,
          value: median(measured),
          unit: "ms"
        })
      }
      await server.stop()
    }
    return {
      title: "Growth: one caller",
      rows,
      ratios: [
        { what: "Set p50 at 10⁶ / at 10³ entities", value: p50.set[1]! / p50.set[0]!, aim: { max: 1.3 } },
        { what: "Get p50 at 10⁶ / at 10³ entities", value: p50.get[1]! / p50.get[0]!, aim: { max: 1.3 } }
      ]
    }
  })

/** From the start of the process to its first answer, and what it holds when nothing happens. */
export const idle = (runs: number): Promise<Report> =>
  inFolder(async (folder) => {
    const starts: Array<number> = []
    const memories: Array<number> = []
    for (let run = 0; run < runs; run++) {
      const began = performance.now()
      const server = await gateway({ name: "sqlite", path: `${folder}/${run}.db` })
      await fetch(`${server.url}/api/entity/search?domain=a&type=b&limit=1`)
      starts.push(performance.now() - began)
      await new Promise((resolve) => setTimeout(resolve, 1000))
      memories.push(residentMiB(server.pid))
      await server.stop()
    }
    return {
      title: "At rest",
      rows: [
        { what: "start to first answer", value: median(starts), unit: "ms" },
        { what: "resident memory, idle", value: median(memories), unit: "MiB" }
      ],
      ratios: []
    }
  })
