import { fork } from "node:child_process"
import { createHash } from "node:crypto"
import { readFileSync } from "node:fs"
import type { Readable } from "node:stream"
import type { Compilation, Compiled } from "./compilation.ts"
import { CompiledPolicies } from "./compiled-policies.ts"
import { compileMsMax } from "./limits.ts"

/** Of OPA's own compiler, made by tools/rego-compiler/build.ts. */
const checksum = new URL("./compiler.wasm.sha256", import.meta.url)

/**
 * Compiles Rego with OPA's compiler, in a process that ends afterwards. What does not compile is in the problems; a
 * rejection means that the compiler could not run. A folder keeps what was compiled.
 */
export const compile = async (wanted: Compilation, folder?: string): Promise<Compiled> => {
  const cache = folder === undefined ? undefined : new CompiledPolicies(folder)
  const key = createHash("sha256").update(readFileSync(checksum)).update(JSON.stringify(wanted)).digest("hex")
  const known = cache?.get(key)
  if (known !== undefined) return known
  const text = await inProcess(wanted)
  const compiled = JSON.parse(text) as Compiled
  if (compiled.problems.length === 0) cache?.put(key, text)
  return compiled
}

const inProcess = (wanted: Compilation): Promise<string> => {
  const done = Promise.withResolvers<string>()
  const child = fork(new URL("./compiler-process.ts", import.meta.url), {
    // Nothing of the gateway's environment, which may hold secrets, and none of its debuggers.
    env: {},
    execArgv,
    stdio: ["pipe", "pipe", "pipe", "ipc"],
    timeout: compileMsMax,
    killSignal: "SIGKILL"
  })
  const [stdout, stderr] = [collect(child.stdout!), collect(child.stderr!)]
  child.on("error", done.reject).on("close", (code, signal) => {
    if (code === 0) return done.resolve(stdout())
    const how = signal === null ? `exit code ${code}` : `${signal}, after at most ${compileMsMax / 1000} s`
    done.reject(new Error(`the compiler of policies ended with ${how}: ${stderr().slice(0, 4096)}`))
  })
  // One that ends early leaves its input unread; its end says why.
  child.stdin!.on("error", () => {})
  child.stdin!.end(JSON.stringify(wanted))
  return done.promise
}

/** Of a program that runs once, V8's optimizing compiler takes twice the time that it saves. Others do not know the flag. */
const execArgv = "Bun" in globalThis || "Deno" in globalThis ? [] : ["--liftoff-only"]

const collect = (stream: Readable): (() => string) => {
  const chunks: Array<Buffer> = []
  stream.on("data", (chunk: Buffer) => chunks.push(chunk))
  return () => Buffer.concat(chunks).toString("utf8")
}
