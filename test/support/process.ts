import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"

/** A gateway in a process of its own, as users run it. */
export interface GatewayProcess {
  readonly url: string
  /** Where operators ask. */
  readonly ops: string
  readonly pid: number
  /** Its log so far, a line each. */
  readonly log: ReadonlyArray<Record<string, unknown>>
  /** Waits for a line of the log, one that came before included. */
  readonly line: (wanted: (entry: Record<string, unknown>) => boolean) => Promise<Record<string, unknown>>
  /** What it printed on standard error. */
  readonly stderr: () => string
  /** Sends the signal and waits for the end. */
  readonly stop: (signal?: NodeJS.Signals) => Promise<{ readonly code: number | null; readonly signal: string | null }>
  readonly ended: Promise<unknown>
  /** Resolves when it has ended and its log is complete. */
  readonly logged: Promise<unknown>
}

/** What a gateway that did not serve left behind. */
export interface Ended {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

const root = new URL("../..", import.meta.url).pathname

/** A port that was free a moment ago; for gateways that must come back on the same one. */
export const freePort = async (): Promise<number> => {
  const server = createServer().listen(0, "127.0.0.1")
  await once(server, "listening")
  const { port } = server.address() as { readonly port: number }
  server.close()
  await once(server, "close")
  return port
}

/** A folder for one test, and what takes it away again. */
export const temporaryFolder = () => {
  const path = mkdtempSync(join(tmpdir(), "stategate-test-"))
  /** Makes a file, and answers where it is. */
  const write = (name: string, text: string): string => {
    const file = join(path, name)
    writeFileSync(file, text)
    return file
  }
  return { path, write, remove: () => rmSync(path, { recursive: true, force: true }) }
}

/** What a gateway of a test gets: nothing of ours from outside but whose HTTP/2 is tested, free ports, and a store that forgets. */
export const environment = (env: Record<string, string>) => {
  const inherited = Object.entries(process.env).filter(
    ([name]) => !name.startsWith("STATEGATE_") || name === "STATEGATE_HTTP2"
  )
  return {
    ...Object.fromEntries(inherited),
    STATEGATE_AUTH_DISABLED: "true",
    STATEGATE_HOST: "127.0.0.1",
    STATEGATE_PORT: "0",
    STATEGATE_METRICS_PORT: "0",
    STATEGATE_STORAGE_PROVIDER: JSON.stringify({ name: "memory" }),
    ...env
  }
}

/** The program that runs each runtime that gateways run on. */
export const runtimes: Readonly<Record<string, string>> = {
  node: process.execPath,
  bun: new URL("../../node_modules/.bin/bun", import.meta.url).pathname
}

/** Starts `node runtimes/node.ts`, or that of another runtime. */
export const spawnGateway = (
  env: Record<string, string>,
  { runtime = process.execPath, stdout = "pipe" }: { readonly runtime?: string; readonly stdout?: number | "pipe" } = {}
): ChildProcess =>
  spawn(runtime, ["runtimes/node.ts"], { cwd: root, env: environment(env), stdio: ["pipe", stdout, "pipe"] })

/** Starts `node runtimes/node.ts` and waits until it serves; fails with what it printed when it does not. */
export const startGateway = async (env: Record<string, string> = {}): Promise<GatewayProcess> =>
  await serving(spawnGateway(env))

/** The program as `npm start` runs it, in a process group of its own. */
export const npmStart = (env: Record<string, string>): ChildProcess =>
  spawn("npm", ["start"], { cwd: root, env: environment(env), detached: true })

/** Waits for the end of a child that is not to serve. */
export const ending = async (child: ChildProcess): Promise<Ended> => {
  const output = { stdout: "", stderr: "" }
  for (const name of ["stdout", "stderr"] as const) {
    child[name]?.setEncoding("utf8").on("data", (text: string) => {
      output[name] += text
      // Else a gateway that serves after all would be waited for until the test times out.
      if (text.includes('"url":')) child.kill("SIGKILL")
    })
  }
  await once(child, "close")
  return { code: child.exitCode, ...output }
}

/** Starts a gateway with settings that it is to refuse; an empty text takes a variable away. */
export const refusedStart = (env: Record<string, string>): Promise<Ended> => ending(spawnGateway(env))

/** Why a gateway did not start: the reasons in the JSON line that is all it wrote to standard error. */
export const reasonsOf = ({ stderr }: Ended): ReadonlyArray<string> => {
  const { level, msg, reasons } = JSON.parse(stderr)
  if (level !== "fatal" || typeof msg !== "string") throw new Error(`not a line of the log: ${stderr}`)
  return reasons
}

/** Waits until a child that was spawned with pipes serves. */
export const serving = async (child: ChildProcess): Promise<GatewayProcess> => {
  const log: Array<Record<string, unknown>> = []
  let errors = ""
  let rest = ""
  const { promise: served, resolve, reject } = Promise.withResolvers<{ readonly url: string; readonly ops: string }>()
  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
    errors += text
  })
  child.stdout?.setEncoding("utf8").on("data", (text: string) => {
    const lines = (rest + text).split("\n")
    rest = lines.pop() ?? ""
    for (const line of lines) {
      if (!line.startsWith("{")) continue
      const entry = JSON.parse(line) as Record<string, unknown>
      log.push(entry)
      const { url, ops } = entry
      if (typeof url === "string") resolve({ url, ops: String(ops) })
    }
  })
  const ended = once(child, "exit")
  const logged = once(child, "close")
  ended.then(() => reject(new Error(`the gateway ended before it served: ${errors}`)))
  const line = async (wanted: (entry: Record<string, unknown>) => boolean) => {
    while (true) {
      const found = log.find(wanted)
      if (found !== undefined) return found
      if (child.exitCode !== null || child.signalCode !== null) throw new Error("the gateway ended without that line")
      await Promise.race([once(child.stdout!, "data"), logged])
    }
  }
  const stop = async (signal: NodeJS.Signals = "SIGTERM") => {
    if (child.exitCode === null && child.signalCode === null) child.kill(signal)
    await ended
    return { code: child.exitCode, signal: child.signalCode }
  }
  return { ...(await served), pid: child.pid!, log, line, stderr: () => errors, stop, ended, logged }
}
