// The servers that are compared: ours, Node's, and that of Go's x/net.

import { execFileSync, spawn } from "node:child_process"
import { mkdtempSync, rmSync } from "node:fs"
import { createServer as createNodeServer } from "node:http2"
import type { AddressInfo } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Effect } from "effect"
import { serve } from "../server.ts"

type Reply = { end: (text: string) => unknown }
interface Asked {
  readonly method?: string | undefined
  readonly url?: string | undefined
  readonly on: (event: string, listener: (chunk: Buffer) => void) => unknown
}

/** Answers with the method, the path and the body. */
const echo = (request: Asked, response: Reply) => {
  const chunks: Array<Buffer> = []
  request.on("data", (chunk) => chunks.push(chunk))
  request.on("end", () => response.end(`${request.method} ${request.url} ${Buffer.concat(chunks)}`))
}

export const own = Effect.map(
  serve((request, response) => echo(request, response)),
  ({ port }) => port
)

export const node = Effect.acquireRelease(
  Effect.callback<{ readonly port: number; readonly close: () => void }>((resume) => {
    const server = createNodeServer((request, response) => echo(request, response))
    server.on("sessionError", () => {})
    server.on("session", (session) => session.on("error", () => {}))
    server.listen(0, "127.0.0.1", () =>
      resume(Effect.succeed({ port: (server.address() as AddressInfo).port, close: () => server.close() }))
    )
  }),
  ({ close }) => Effect.sync(close)
).pipe(Effect.map(({ port }) => port))

/** Whether there is a Go with which it can be built. */
export const hasGo = (): boolean => {
  try {
    execFileSync("go", ["version"], { stdio: "ignore" })
    return true
  } catch {
    return false
  }
}

export const go = Effect.acquireRelease(
  Effect.callback<{ readonly port: number; readonly close: () => void }>((resume) => {
    const folder = mkdtempSync(join(tmpdir(), "stategate-http2-"))
    const program = join(folder, "reference")
    const remove = () => rmSync(folder, { recursive: true, force: true })
    try {
      execFileSync("go", ["build", "-o", program, "."], {
        cwd: import.meta.dirname,
        stdio: ["ignore", "ignore", "pipe"]
      })
    } catch (cause) {
      remove()
      resume(Effect.die(new Error("the reference cannot be built", { cause })))
      return
    }
    const child = spawn(program, { stdio: ["ignore", "pipe", "ignore"] })
    const close = () => {
      child.kill("SIGKILL")
      remove()
    }
    child.stdout.once("data", (line: Buffer) => resume(Effect.succeed({ port: Number(line.toString()), close })))
  }),
  ({ close }) => Effect.sync(close)
).pipe(Effect.map(({ port }) => port))
