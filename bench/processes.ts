import { type ChildProcess, execFileSync, spawn } from "node:child_process"
import { once } from "node:events"
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"

const root = new URL("..", import.meta.url).pathname

/** A server that is measured, in a process of its own. */
export interface Server {
  readonly url: string
  readonly address: string
  /** Where it speaks HTTP/1.1, if that is somewhere else. */
  readonly http1?: string
  readonly pid: number
  readonly stop: () => Promise<void>
}

/** Seconds of processor time that a process has taken so far. */
export const cpuSeconds = (pid: number): number => {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]!.split(" ")
  return (Number(fields[11]) + Number(fields[12])) / 100
}

/** Resident memory of a process, in MiB. */
export const residentMiB = (pid: number): number =>
  Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0) / 1024

export const inFolder = async <A>(use: (folder: string) => Promise<A>): Promise<A> => {
  const folder = mkdtempSync(join(tmpdir(), "stategate-bench-"))
  try {
    return await use(folder)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

const stopping = (child: ChildProcess) => async () => {
  if (child.exitCode !== null || child.signalCode !== null) return
  child.kill("SIGTERM")
  await once(child, "exit")
}

/** A child that says where it serves in a line of JSON; what it prints after that is thrown away. */
const announced = (child: ChildProcess): Promise<Server> =>
  new Promise((resolve, reject) => {
    let text = ""
    child.stdout!.setEncoding("utf8").on("data", (chunk: string) => {
      if (text === "served") return
      text += chunk
      const url = /"url":"([^"]+)"/.exec(text)?.[1]
      if (url === undefined) return
      const http1 = /"http1":"([^"]+)"/.exec(text)?.[1]
      text = "served"
      const more = http1 === undefined ? {} : { http1 }
      resolve({ url, address: new URL(url).host, pid: child.pid!, stop: stopping(child), ...more })
    })
    child.once("exit", () => reject(new Error(`the server ended before it served: ${text}`)))
  })

const start = (file: string, env: Record<string, string> = {}, runtime = process.execPath): Promise<Server> => {
  const child = spawn(runtime, [file], {
    cwd: root,
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "inherit"]
  })
  return announced(child)
}

export const bare = (): Promise<Server> => start("bench/bare.ts")

export const gateway = (storage: object, env: Record<string, string> = {}): Promise<Server> =>
  start("runtimes/node.ts", {
    STATEGATE_AUTH_DISABLED: "true",
    STATEGATE_HOST: "127.0.0.1",
    STATEGATE_PORT: "0",
    STATEGATE_STORAGE_PROVIDER: JSON.stringify(storage),
    ...env
  })

export const freePort = async (): Promise<number> => {
  const server = createServer().listen(0, "127.0.0.1")
  await once(server, "listening")
  const address = server.address()
  server.close()
  return typeof address === "object" && address !== null ? address.port : 0
}

const which = (program: string): boolean => {
  try {
    execFileSync("which", [program], { stdio: "ignore" })
    return true
  } catch {
    return false
  }
}

/** etcd with its defaults, which fsync before they answer; undefined where it is not installed. */
export const etcd = async (folder: string): Promise<Server | undefined> => {
  if (!which("etcd")) return undefined
  const url = `http://127.0.0.1:${await freePort()}`
  const peers = `http://127.0.0.1:${await freePort()}`
  const options = ["--data-dir", join(folder, "etcd"), "--listen-client-urls", url, "--advertise-client-urls", url]
  const child = spawn("etcd", [...options, "--listen-peer-urls", peers, "--logger", "zap", "--log-level", "error"], {
    stdio: "ignore"
  })
  for (let tries = 0; tries < 200; tries++) {
    const answer = await fetch(`${url}/health`).catch(() => undefined)
    if (answer?.ok) return { url, address: new URL(url).host, pid: child.pid!, stop: stopping(child) }
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  throw new Error("etcd does not serve")
}

/** What the load generator measured. */
export interface Load {
  readonly perSecond: number
  readonly p50Ms: number
  readonly p90Ms: number
  readonly p99Ms: number
  readonly failed: number
  readonly reason?: string
}

/** Builds the load generator, once a run. */
export const buildLoad = (): string => {
  const folder = join(root, ".cache", "bench")
  mkdirSync(folder, { recursive: true })
  const program = join(folder, "load")
  execFileSync("go", ["build", "-o", program, "."], { cwd: join(root, "bench", "load"), stdio: "inherit" })
  return program
}

export const load = async (
  program: string,
  server: Server,
  call: string,
  ...more: ReadonlyArray<string>
): Promise<Load> => {
  return await measuredBy(program, ["-call", call, "-addr", server.address, ...more], call)
}

/** The same work done with the bare driver of a store. */
export const byHand = (
  store: string,
  addr: string,
  call: "set" | "get" | "replay",
  callers: number,
  seconds = 4
): Promise<Load> =>
  measuredBy(process.execPath, ["bench/by-hand/by-hand.ts", store, addr, call, String(callers), String(seconds)], call)

const measuredBy = async (program: string, args: ReadonlyArray<string>, call: string): Promise<Load> => {
  const child = spawn(program, args, { cwd: root, stdio: ["ignore", "pipe", "inherit"] })
  let text = ""
  for await (const chunk of child.stdout.setEncoding("utf8")) text += chunk
  const measured = JSON.parse(text) as Load
  if (measured.failed > 0) throw new Error(`${measured.failed} calls of ${call} failed: ${measured.reason}`)
  return measured
}
