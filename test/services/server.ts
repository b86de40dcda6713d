// A database server under the hand of a test: it can be stopped in order, killed as a whole, started again on what it
// left, and halted. It ends, and its folder goes, no later than the process of the test, however that ends.

import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { chownSync, closeSync, mkdtempSync, openSync, readdirSync, readFileSync } from "node:fs"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"

/** What tests do to a server. */
export interface Control {
  /** All of its processes. */
  readonly pids: () => ReadonlyArray<number>
  /** Ends it as an operator would; what it holds stays. */
  readonly stop: () => Promise<void>
  /** SIGKILL to all of its processes at once, as a power cut would; answers when they are gone. */
  readonly kill: () => Promise<void>
  /** Starts it again, after a stop or a kill, on the same port and the same data; answers when it works. */
  readonly restart: () => Promise<void>
  /** Stops all of its processes where they are: connections stay, and nothing is answered. */
  readonly pause: () => void
  readonly resume: () => void
  /** Ends it at once, and takes away what it held. */
  readonly remove: () => Promise<void>
}

export interface Spec {
  readonly name: string
  readonly command: string
  readonly args: ReadonlyArray<string>
  readonly env?: Readonly<Record<string, string>>
  /** Whom it runs as, unless as oneself. */
  readonly user?: { readonly uid: number; readonly gid: number } | undefined
  /** What asks it to end in order. */
  readonly stopSignal: NodeJS.Signals
  /** Has it do real work; throws while it does not. */
  readonly probe: () => Promise<unknown>
}

/** Until a server must work: the slowest of them, on a machine that is busy with other tests. */
const startMsMax = 180_000

/** Until all threads of a server have stopped. */
const haltMsMax = 30_000

/** Longer than a server may take to start; for hooks. */
export const hookMsMax = startMsMax + 20_000

/** A folder that ends with the process, and with it the servers that were said to run in it. */
export class Folder {
  readonly path = mkdtempSync(join(tmpdir(), "stategate-server-"))
  // Reads who runs, a line each time; its input ends with us, even where we are killed.
  readonly #guard = spawn("sh", ["-c", guard, "sh", this.path], { detached: true, stdio: ["pipe", "ignore", "ignore"] })

  constructor(owner?: Spec["user"]) {
    if (owner !== undefined) chownSync(this.path, owner.uid, owner.gid)
  }

  runs(pid: number | undefined): void {
    this.#guard.stdin?.write(`${pid ?? ""}\n`)
  }

  async remove(): Promise<void> {
    const gone = once(this.#guard, "exit")
    this.#guard.stdin?.end()
    await gone
  }
}

const guard = `
while read -r line; do pid=$line; done
[ -z "$pid" ] || kill -KILL $pid $(cat /proc/$pid/task/$pid/children)
rm -rf "$1" || { sleep 1; rm -rf "$1"; }`

/** Starts a server in a folder that is from now on its own. */
export const startServer = async (spec: Spec, folder: Folder): Promise<Control> => {
  let child: ChildProcess | undefined
  const pids = () => (child?.pid === undefined || hasEnded(child) ? [] : family(child.pid))
  const signal = (name: NodeJS.Signals) => {
    for (const pid of pids()) send(pid, name)
  }
  const pause = () => {
    // First the one that makes the others.
    child?.kill("SIGSTOP")
    signal("SIGSTOP")
    const deadline = performance.now() + haltMsMax
    while (!pids().every(isHalted)) {
      // Nothing else runs meanwhile, not even what ends a test that hangs.
      if (performance.now() > deadline) throw new Error(`${spec.name} does not halt`)
      Atomics.wait(cell, 0, 0, 1)
    }
  }
  const start = async () => {
    child = launch(spec, folder)
    await working(spec, folder, child)
  }
  const stop = async () => {
    if (child === undefined || hasEnded(child)) return
    const ended = once(child, "exit")
    child.kill(spec.stopSignal)
    await ended
  }
  const kill = async () => {
    pause()
    const all = pids()
    for (const pid of all) send(pid, "SIGKILL")
    while ((child !== undefined && !hasEnded(child)) || all.some(isRunning)) await sleep(5)
  }
  const remove = async () => {
    await kill()
    await folder.remove()
  }
  try {
    await start()
  } catch (error) {
    await remove()
    throw error
  }
  return { pids, stop, kill, restart: start, pause, resume: () => signal("SIGCONT"), remove }
}

const launch = ({ command, args, env, user }: Spec, folder: Folder): ChildProcess => {
  const log = openSync(join(folder.path, "log"), "a")
  // Detached, so that Ctrl-C in a terminal ends the test, and the test the server.
  const child = spawn(command, args, {
    cwd: folder.path,
    detached: true,
    stdio: ["ignore", log, log],
    ...user,
    env: { ...process.env, ...env }
  })
  closeSync(log)
  folder.runs(child.pid)
  child.once("exit", () => folder.runs(undefined))
  // Told by `working`, which sees that there is no process.
  child.once("error", () => {})
  return child
}

const working = async ({ name, probe }: Spec, folder: Folder, child: ChildProcess) => {
  const deadline = performance.now() + startMsMax
  for (let last: unknown; ; await sleep(25)) {
    const ended = child.pid === undefined || hasEnded(child)
    if (ended || performance.now() > deadline) {
      const log = readFileSync(join(folder.path, "log"), "utf8").slice(-4000)
      throw new Error(`${name} ${ended ? "ended before it worked" : "does not work"}:\n${log}`, { cause: last })
    }
    try {
      return await probe()
    } catch (error) {
      last = error
    }
  }
}

const hasEnded = ({ exitCode, signalCode }: ChildProcess) => exitCode !== null || signalCode !== null

/** A process and those that its first thread started: no server here starts any from another. */
const family = (pid: number): ReadonlyArray<number> => {
  try {
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8")
    return [pid, ...children.split(" ").filter(Boolean).map(Number).flatMap(family)]
  } catch {
    return [pid]
  }
}

const send = (pid: number, name: NodeJS.Signals) => {
  try {
    process.kill(pid, name)
  } catch {
    // It ended by itself.
  }
}

/** Whether all threads of a process have stopped, which takes as long as they have to be told one by one. */
const isHalted = (pid: number): boolean => {
  try {
    const threads = readdirSync(`/proc/${pid}/task`)
    return threads.every((tid) => /^State:\s*[TtZX]/m.test(readFileSync(`/proc/${pid}/task/${tid}/status`, "utf8")))
  } catch {
    return !isRunning(pid)
  }
}

const cell = new Int32Array(new SharedArrayBuffer(4))

/** Whether a process runs; one that ended and was not yet waited for does not. */
export const isRunning = (pid: number): boolean => {
  try {
    return !/^State:\s*Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"))
  } catch {
    return false
  }
}

/**
 * A port that nobody listens on. It lies below those that systems give to outgoing connections, which else might sit on
 * it while its server is down: one that is asked for again and again even gets itself on the line.
 */
export const serverPort = async (): Promise<number> => {
  while (true) {
    const port = 10_000 + Math.floor(Math.random() * 20_000)
    const server = createServer().listen(port, "127.0.0.1")
    const free = await Promise.race([
      once(server, "listening").then(() => true),
      once(server, "error").then(() => false)
    ])
    if (!free) continue
    server.close()
    await once(server, "close")
    return port
  }
}
