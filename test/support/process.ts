import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { mkdtempSync, rmSync } from "node:fs"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"

/** A gateway in a process of its own, as users run it. */
export interface GatewayProcess {
  readonly url: string
  readonly pid: number
  /** Its log so far, a line each. */
  readonly log: ReadonlyArray<Record<string, unknown>>
  /** What it printed on standard error. */
  readonly stderr: () => string
  /** Sends the signal and waits for the end. */
  readonly stop: (signal?: NodeJS.Signals) => Promise<{ readonly code: number | null; readonly signal: string | null }>
  readonly ended: Promise<unknown>
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
export const temporaryFolder = (): { readonly path: string; readonly remove: () => void } => {
  const path = mkdtempSync(join(tmpdir(), "stategate-test-"))
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) }
}

const environment = (env: Record<string, string>) => {
  const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith("STATEGATE_"))
  return {
    ...Object.fromEntries(inherited),
    STATEGATE_AUTH_DISABLED: "true",
    STATEGATE_HOST: "127.0.0.1",
    STATEGATE_PORT: "0",
    STATEGATE_STORAGE_PROVIDER: JSON.stringify({ name: "memory" }),
    ...env
  }
}

/** Starts `node runtimes/node.ts` and waits until it serves; fails with what it printed when it does not. */
export const startGateway = async (env: Record<string, string> = {}): Promise<GatewayProcess> => {
  const child = spawn(process.execPath, ["runtimes/node.ts"], { cwd: root, env: environment(env) })
  return await serving(child)
}

/** Waits until a child that was spawned with pipes serves. */
export const serving = async (child: ChildProcess): Promise<GatewayProcess> => {
  const log: Array<Record<string, unknown>> = []
  let errors = ""
  let rest = ""
  const { promise: url, resolve, reject } = Promise.withResolvers<string>()
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
      if (typeof entry["url"] === "string") resolve(entry["url"])
    }
  })
  const ended = once(child, "exit")
  ended.then(() => reject(new Error(`the gateway ended before it served: ${errors}`)))
  const stop = async (signal: NodeJS.Signals = "SIGTERM") => {
    if (child.exitCode === null && child.signalCode === null) child.kill(signal)
    await ended
    return { code: child.exitCode, signal: child.signalCode }
  }
  return { url: await url, pid: child.pid!, log, stderr: () => errors, stop, ended }
}
