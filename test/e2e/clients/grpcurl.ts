import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { type EventJson, type Heads, Refused, type StateClient, type Values } from "./client.ts"
import { codeName } from "./connect.ts"

const root = new URL("../../..", import.meta.url).pathname

const protoFiles = [
  ...["-import-path", "proto", "-proto", "stategate/stategate.proto"],
  // For the details of errors.
  ...["-proto", "google/rpc/error_details.proto"]
]

/** The block that follows a title in verbose output. */
const headsUnder = (title: string, text: string): Heads => {
  const [, block = ""] = text.split(`${title}\n`)
  const [lines = ""] = block.split("\n\n")
  return Object.fromEntries(
    lines
      .split("\n")
      .map((line) => /^([\w-]+): (.*)$/.exec(line))
      .flatMap((match) => (match === null ? [] : [[match[1]!, match[2]!]]))
  )
}

const headersTitle = "Response headers received:"
const contentsTitle = "Response contents:\n"
// Indented JSON: its last line is the only one that is a brace alone.
const contents = (text: string): ReadonlyArray<string> =>
  text
    .split(contentsTitle)
    .slice(1)
    .flatMap((part) =>
      part.startsWith("{}") ? ["{}"] : part.includes("\n}\n") ? [`${part.split("\n}\n")[0]}\n}`] : []
    )

/** The program, one process a call. */
export const grpcurlClient = (program: string, url: string): StateClient => {
  const running = new Set<ChildProcess>()
  const start = (method: string, message: Values, headers: Heads) => {
    const metadata = Object.entries(headers).flatMap(([name, value]) => ["-H", `${name}: ${value}`])
    const child = spawn(
      program,
      [
        ...["-plaintext", "-v", "-format-error", ...protoFiles, ...metadata],
        ...["-d", JSON.stringify(message), new URL(url).host, `stategate.${method}`]
      ],
      { cwd: root, stdio: ["ignore", "pipe", "pipe"] }
    )
    running.add(child)
    const output = { stdout: "", stderr: "" }
    child.stdout.setEncoding("utf8").on("data", (text) => {
      output.stdout += text
    })
    child.stderr.setEncoding("utf8").on("data", (text) => {
      output.stderr += text
    })
    const ended = once(child, "close").then(() => void running.delete(child))
    const failure = () => {
      if (!output.stderr.startsWith("{")) throw new Error(`grpcurl failed: ${output.stderr}`)
      const status = JSON.parse(output.stderr) as Values
      const heads = {
        ...headsUnder(headersTitle, output.stdout),
        ...headsUnder("Response trailers received:", output.stdout)
      }
      return new Refused(
        codeName(status["code"] as number),
        String(status["message"]),
        (status["details"] ?? []) as never,
        heads
      )
    }
    return { child, output, ended, failure }
  }
  return {
    call: async (name, message, headers = {}) => {
      const { child, output, ended, failure } = start(name, message, headers)
      await ended
      if (child.exitCode !== 0) throw failure()
      const [text] = contents(output.stdout)
      return { message: JSON.parse(text!) as never, headers: headsUnder(headersTitle, output.stdout) }
    },
    stream: async (message, headers = {}) => {
      const { child, output, ended, failure } = start("EventService/Stream", message, headers)
      let read = 0
      const until = async <Found>(found: () => Found | undefined): Promise<Found | undefined> => {
        while (true) {
          const now = found()
          if (now !== undefined || child.exitCode !== null || child.signalCode !== null) return now
          await Promise.race([once(child.stdout, "data"), ended])
        }
      }
      const opened = await until(() => (output.stdout.includes(`${headersTitle}\n`) ? true : undefined))
      if (opened === undefined) throw failure()
      await until(() => (headsUnder(headersTitle, output.stdout)["x-request-id"] === undefined ? undefined : true))
      return {
        headers: headsUnder(headersTitle, output.stdout),
        next: async () => {
          const text = await until(() => contents(output.stdout)[read])
          if (text === undefined && child.exitCode !== 0) throw failure()
          read += 1
          return text === undefined ? undefined : (JSON.parse(text) as EventJson)
        },
        close: () => child.kill("SIGKILL")
      }
    },
    close: () => {
      for (const child of running) child.kill("SIGKILL")
    }
  }
}
