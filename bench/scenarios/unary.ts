import { bare, etcd, gateway, inFolder, type Load, load, type Server } from "../processes.ts"
import { median, type Report, type Row } from "../table.ts"

/** 64 callers of one call, on several servers in turn, so that a machine that slows down slows them all. */
const sideBySide = async (
  program: string,
  runs: number,
  servers: ReadonlyArray<{ readonly name: string; readonly server: Server; readonly call: string }>
): Promise<ReadonlyMap<string, ReadonlyArray<Load>>> => {
  const loads = new Map<string, Array<Load>>(servers.map(({ name }) => [name, []]))
  for (let run = 0; run < runs; run++) {
    for (const { name, server, call } of servers) loads.get(name)!.push(await load(program, server, call))
  }
  return loads
}

const rowOf = (what: string, loads: ReadonlyArray<Load>): Row => ({
  what,
  value: median(loads.map(({ perSecond }) => perSecond)),
  unit: "/s",
  more: `p50 ${median(loads.map(({ p50Ms }) => p50Ms)).toFixed(2)} ms, p99 ${median(loads.map(({ p99Ms }) => p99Ms)).toFixed(2)} ms`
})

const report = (title: string, loads: ReadonlyMap<string, ReadonlyArray<Load>>, etcdAim: number): Report => {
  const rows = Array.from(loads, ([name, some]) => rowOf(name, some))
  const [ours, ...others] = rows
  return {
    title,
    rows,
    ratios: others.map((other) => ({
      what: `${ours!.what} / ${other.what}`,
      value: ours!.value / other.value,
      ...(other.what.startsWith("etcd") ? { aim: { min: etcdAim } } : {})
    }))
  }
}

const withServers = (use: (folder: string, started: Array<Server>) => Promise<Report>): Promise<Report> =>
  inFolder(async (folder) => {
    const started: Array<Server> = []
    try {
      return await use(folder, started)
    } finally {
      for (const server of started) await server.stop()
    }
  })

export const gets = (program: string, runs: number): Promise<Report> =>
  withServers(async (folder, started) => {
    const memory = await gateway({ name: "memory" })
    const plain = await bare()
    const other = await etcd(folder)
    started.push(memory, plain, ...(other === undefined ? [] : [other]))
    await load(program, memory, "stategate-set", "-fill", "1000")
    if (other !== undefined) await load(program, other, "etcd-put", "-fill", "1000")
    const loads = await sideBySide(program, runs, [
      { name: "Get, memory", server: memory, call: "stategate-get" },
      { name: "bare node:http2, the same messages", server: plain, call: "stategate-get" },
      ...(other === undefined ? [] : [{ name: "etcd get", server: other, call: "etcd-get" }])
    ])
    return report("Reads: 64 callers over gRPC", loads, 2)
  })

/** What browsers and scripts speak: JSON over HTTP/1.1. */
export const web = (program: string, runs: number): Promise<Report> =>
  withServers(async (_, started) => {
    const memory = await gateway({ name: "memory" })
    const plain = await bare()
    started.push(memory, plain)
    await load(program, memory, "stategate-set", "-fill", "1000")
    const plainOverHttp1 = { ...plain, address: plain.http1! }
    const loads = await sideBySide(program, runs, [
      { name: "Get by REST, memory", server: memory, call: "rest-get" },
      { name: "Get by Connect, memory", server: memory, call: "connect-get" },
      { name: "bare node:http, the same JSON as REST", server: plainOverHttp1, call: "rest-get" },
      { name: "bare node:http, the same JSON as Connect", server: plainOverHttp1, call: "connect-get" }
    ])
    const rows = Array.from(loads, ([name, some]) => rowOf(name, some))
    const [rest, connect, ...others] = rows
    return {
      title: "Reads: 64 callers over HTTP/1.1, in JSON",
      rows,
      ratios: [rest!, connect!].map(({ what, value }, i) => ({
        what: `${what} / ${others[i]!.what}`,
        value: value / others[i]!.value
      }))
    }
  })

export const sets = (program: string, runs: number): Promise<Report> =>
  withServers(async (folder, started) => {
    const sqlite = await gateway({ name: "sqlite", path: `${folder}/stategate.db` })
    const plain = await bare()
    const other = await etcd(folder)
    started.push(sqlite, plain, ...(other === undefined ? [] : [other]))
    const loads = await sideBySide(program, runs, [
      { name: "Set, sqlite, durable", server: sqlite, call: "stategate-set" },
      { name: "bare node:http2, the same messages, nothing stored", server: plain, call: "stategate-set" },
      ...(other === undefined ? [] : [{ name: "etcd put, durable", server: other, call: "etcd-put" }])
    ])
    return report("Durable writes: 64 callers over gRPC", loads, 1)
  })
