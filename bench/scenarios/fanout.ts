import { spawn } from "node:child_process"
import { createClient } from "@connectrpc/connect"
import { createGrpcTransport } from "@connectrpc/connect-node"
import { EntityService } from "../../proto/gen/stategate/stategate_pb.js"
import { cpuSeconds, gateway, inFolder } from "../processes.ts"
import { median, type Report } from "../table.ts"

const streams = 1000
const eventsPerSecond = 20
const seconds = 10

interface Measured {
  readonly perSecond: number
  readonly delivered: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly serverCores: number
  readonly readersCores: number
}

const due = streams * eventsPerSecond * seconds

/** One writer, a thousand SSE streams in a process of their own. Times are of one clock: all is on one machine. */
const once = (): Promise<Measured> =>
  inFolder(async (folder) => {
    const server = await gateway({ name: "sqlite", path: `${folder}/stategate.db` })
    const readers = spawn(process.execPath, ["bench/readers.ts", server.url, String(streams)], {
      stdio: ["pipe", "pipe", "inherit"]
    })
    let text = ""
    const lines = new Promise<void>((resolve) => {
      readers.stdout.setEncoding("utf8").on("data", (chunk: string) => {
        text += chunk
        if (text.includes("ready\n")) resolve()
      })
    })
    await lines
    const client = createClient(EntityService, createGrpcTransport({ baseUrl: server.url }))
    const acks: Array<number> = []
    const before = { server: cpuSeconds(server.pid), readers: cpuSeconds(readers.pid!) }
    const began = performance.now()
    for (let i = 0; i < eventsPerSecond * seconds; i++) {
      const dueMs = began + (i * 1000) / eventsPerSecond
      await new Promise((resolve) => setTimeout(resolve, Math.max(0, dueMs - performance.now())))
      await client.set({ domain: "fan", type: "out", key: `k${i}`, values: { n: i } })
      acks.push(performance.timeOrigin + performance.now())
    }
    const elapsed = (performance.now() - began) / 1000
    await new Promise((resolve) => setTimeout(resolve, 500))
    const serverCores = (cpuSeconds(server.pid) - before.server) / elapsed
    const readersCores = (cpuSeconds(readers.pid!) - before.readers) / elapsed
    readers.stdin.end(`${JSON.stringify(acks)}\n`)
    await new Promise((resolve) => readers.once("exit", resolve))
    await server.stop()
    const told = JSON.parse(text.split("ready\n")[1]!) as Pick<Measured, "delivered" | "p50Ms" | "p99Ms">
    return { ...told, perSecond: told.delivered / elapsed, serverCores, readersCores }
  })

export const fanout = async (runs: number): Promise<Report> => {
  const measured: Array<Measured> = []
  for (let run = 0; run < runs; run++) measured.push(await once())
  const of = (name: keyof Measured) => median(measured.map((one) => one[name]))
  const least = Math.min(...measured.map(({ delivered }) => delivered))
  return {
    title: `Fan-out: one writer, ${streams} SSE streams, ${eventsPerSecond} events/s`,
    rows: [
      { what: "deliveries", value: of("perSecond"), unit: "/s", more: `${least} of ${due} at least` },
      { what: "acknowledged to delivered, p50", value: of("p50Ms"), unit: "ms" },
      { what: "acknowledged to delivered, p99", value: of("p99Ms"), unit: "ms" },
      { what: "the gateway's processor", value: of("serverCores"), unit: "cores" },
      { what: "the readers' processor", value: of("readersCores"), unit: "cores" }
    ],
    ratios: [
      { what: "delivered / due", value: least / due, aim: { min: 1 } },
      { what: "p99 in ms", value: of("p99Ms"), aim: { max: 10 } }
    ]
  }
}
