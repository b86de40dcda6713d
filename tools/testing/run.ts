import { type ChildProcess, spawn } from "node:child_process"
import { delimiter, join } from "node:path"

/** The checkout, whatever folder it was started from. */
export const root = join(import.meta.dirname, "..", "..")

/** Programs of node_modules first, as under npm, so that `node tools/test.ts` does the same as `npm test`. */
const PATH = [join(root, "node_modules", ".bin"), process.env.PATH ?? ""].join(delimiter)

const running = new Set<ChildProcess>()
for (const [signal, code] of [
  ["SIGINT", 130],
  ["SIGTERM", 143]
] as const) {
  process.once(signal, () => {
    for (const child of running) child.kill(signal)
    process.exit(code)
  })
}

/** Runs a program to its end with its output as it is; answers the exit code, 1 if it could not start, was killed or took too long. */
export const run = (
  command: string,
  args: ReadonlyArray<string>,
  options: { readonly env?: Record<string, string>; readonly quiet?: boolean; readonly secondsMax?: number } = {}
): Promise<number> =>
  new Promise((resolve) => {
    const child = spawn(command, args, {
      cwd: root,
      env: { ...process.env, PATH, ...options.env },
      stdio: options.quiet ? "ignore" : ["ignore", "inherit", "inherit"]
    })
    running.add(child)
    const { secondsMax } = options
    const tooLong = () => {
      process.stderr.write(`${command} has not ended after ${secondsMax} s, and is killed\n`)
      child.kill("SIGKILL")
    }
    const timer = secondsMax === undefined ? undefined : setTimeout(tooLong, 1000 * secondsMax)
    const end = (code: number) => {
      clearTimeout(timer)
      running.delete(child)
      resolve(code)
    }
    child.once("error", (error) => {
      if (!options.quiet) process.stderr.write(`${command}: ${error.message}\n`)
      end(1)
    })
    child.once("exit", (code) => end(code ?? 1))
  })
