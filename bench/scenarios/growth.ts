import { gateway, inFolder, load, residentMiB } from "../processes.ts"
import { median, type Report } from "../table.ts"

const sizes = [1_000, 1_000_000]

const calls = ["set", "get"] as const

/** One caller, a store with a thousand entities and one with a million, in turns. */
export const growth = (program: string, runs: number): Promise<Report> =>
  inFolder(async (folder) => {
    const stores = []
    for (const size of sizes) {
      const server = await gateway({ name: "sqlite", path: `${folder}/${size}.db` })
      await load(program, server, "stategate-set", "-fill", String(size), "-c", "256")
      stores.push({ size, server, p50: { set: [] as Array<number>, get: [] as Array<number> } })
    }
    for (const call of calls) {
      for (let run = 0; run < runs; run++) {
        for (const { size, server, p50 } of stores) {
          const one = await load(program, server, `stategate-${call}`, "-c", "1", "-keys", String(size))
          p50[call].push(one.p50Ms)
        }
      }
    }
    for (const { server } of stores) await server.stop()
    const [few, many] = stores
    return {
      title: "Growth: one caller",
      rows: stores.flatMap(({ size, p50 }) =>
        calls.map((call) => ({
          what: `${call === "set" ? "Set" : "Get"} p50, ${size.toLocaleString("en-US")} entities`,
          value: median(p50[call]),
          unit: "ms"
        }))
      ),
      ratios: calls.map((call) => ({
        what: `${call === "set" ? "Set" : "Get"} p50 at 10⁶ / at 10³ entities`,
        value: median(many!.p50[call]) / median(few!.p50[call]),
        aim: { max: 1.3 }
      }))
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
