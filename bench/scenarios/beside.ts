import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { connect, type Socket } from "node:net"
import { text } from "node:stream/consumers"
import { createClient } from "@connectrpc/connect"
import { createGrpcTransport } from "@connectrpc/connect-node"
import { EntityService } from "../../proto/gen/stategate/stategate_pb.js"
import { freePort, gateway, inFolder, load } from "../processes.ts"
import { percentile, type Report, type Row } from "../table.ts"

const events = 600_000
const seconds = 8
const everyMs = 25
/** An answer that takes longer counts as this. */
const patienceMs = 20_000

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

/** Asks every 25 ms, whether the last answer has come or not: what one long wait holds up counts as well. */
const latencies = async (ask: () => Promise<unknown>): Promise<ReadonlyArray<number>> => {
  const began = performance.now()
  const measured: Array<Promise<number>> = []
  for (let i = 0; i * everyMs < seconds * 1000; i++) {
    await sleep(Math.max(0, began + i * everyMs - performance.now()))
    const since = performance.now()
    measured.push(Promise.race([ask(), sleep(patienceMs)]).then(() => performance.now() - since))
  }
  return (await Promise.all(measured)).sort((a, b) => a - b)
}

const opened = async (port: number): Promise<Socket> => {
  const socket = connect(port, "127.0.0.1")
  await once(socket, "connect")
  return socket
}

/** Answers on one connection come in the order of their questions. */
const asking = (socket: Socket) => {
  const waiting: Array<() => void> = []
  socket
    .on("error", () => {})
    .on("data", (chunk) => {
      for (const _ of chunk.toString("latin1").matchAll(/^HTTP/gm)) waiting.shift()?.()
    })
  return () =>
    new Promise<void>((resolve) => {
      waiting.push(resolve)
      socket.write("GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
    })
}

/** Each on a connection that is open, and on new ones, of both ports; and a Get. */
const probes = async (url: string, ops: number) => {
  const port = Number(new URL(url).port)
  const open = await opened(port)
  const openOps = await opened(ops)
  const client = createClient(EntityService, createGrpcTransport({ baseUrl: url }))
  const anew = async (at: number) => {
    const socket = await opened(at)
    await asking(socket)()
    socket.destroy()
  }
  const get = () => client.get({ domain: "bench", type: "user", key: "k1-1" })
  await get()
  return {
    close: () => {
      open.destroy()
      openOps.destroy()
    },
    asks: [
      ["/livez on an open connection", asking(open)],
      ["/livez on a new connection", () => anew(port)],
      ["/livez on the port for operators, open", asking(openOps)],
      ["/livez on the port for operators, new", () => anew(ops)],
      ["Get over gRPC", get]
    ] as const
  }
}

const replaying = async (url: string, count: number): Promise<ChildProcess> => {
  const args = ["bench/replayers.ts", url, String(count), String(events)]
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] })
  await Promise.race([once(child.stdout!, "data"), sleep(patienceMs)])
  return child
}

/** What others wait for beside so many readers. */
export const measureBeside = async (url: string, ops: number, count: number): Promise<ReadonlyArray<Row>> => {
  const { asks, close } = await probes(url, ops)
  const readers = count === 0 ? undefined : await replaying(url, count)
  const all = await Promise.all(asks.map(([, ask]) => latencies(ask)))
  close()
  const rows = asks.map(([what], i): Row => {
    const waits = all[i]!
    const more = `p50 ${percentile(waits, 0.5).toFixed(1)} ms, longest ${waits.at(-1)!.toFixed(1)} ms`
    return { what: `${count} readers, ${what}, p99`, value: percentile(waits, 0.99), unit: "ms", more }
  })
  if (readers === undefined) return rows
  const said = text(readers.stdout!)
  readers.kill("SIGTERM")
  const [bytes = 0, ms = 1] = (await said).trim().split("\n").at(-1)!.split(" ").map(Number)
  return [{ what: `${count} readers, read`, value: bytes / 1e3 / ms, unit: "MB/s" }, ...rows]
}

/** What others wait for while some readers replay a long log. */
export const beside = (program: string): Promise<Report> =>
  inFolder(async (folder) => {
    const ops = await freePort()
    const server = await gateway(
      { name: "sqlite", path: `${folder}/stategate.db` },
      { STATEGATE_METRICS_PORT: String(ops) }
    )
    await load(program, server, "stategate-apply", "-fill", String(events / 100), "-c", "8")
    const rows: Array<Row> = []
    for (const count of [0, 1, 100]) rows.push(...(await measureBeside(server.url, ops, count)))
    await server.stop()
    const worst = Math.max(...rows.filter(({ unit }) => unit === "ms").map(({ value }) => value))
    return {
      title: "What others wait for beside readers who replay 600,000 events, from sqlite",
      rows,
      ratios: [{ what: "the longest p99, in 50 ms", value: worst / 50, aim: { max: 1 } }]
    }
  })
