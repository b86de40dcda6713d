import { execFileSync, spawn } from "node:child_process"
import { existsSync, readFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { text } from "node:stream/consumers"
import { afterAll, assert, test } from "vitest"
import { need, program } from "../support/need.ts"
import { temporaryFolder } from "../support/process.ts"
import { http2InTests } from "../transport/listener/clients.ts"

// The official suite of the Connect project, with its reference clients, those of grpc-go among them: the three RPC
// protocols over both versions of HTTP, with and without TLS, against the listener and the protocol handlers of the gateway.

const version = "v1.0.5"
const here = import.meta.dirname
const root = new URL("../..", import.meta.url).pathname

/** The suite's own proto files, which came with its runner. Looked for on this machine alone. */
const protoFiles = (): string | undefined => {
  try {
    const found = execFileSync("go", ["mod", "download", "-json", `connectrpc.com/conformance@${version}`], {
      cwd: tmpdir(),
      env: { ...process.env, GOPROXY: "off", GOFLAGS: "-mod=mod" },
      stdio: ["ignore", "pipe", "ignore"]
    })
    return `${(JSON.parse(found.toString()) as { readonly Dir: string }).Dir}/proto`
  } catch {
    return undefined
  }
}

const runner = program("connectconformance")
const suite = need("the Connect conformance suite", {
  enable: `go install connectrpc.com/conformance/cmd/connectconformance@${version}`,
  found: runner !== undefined && protoFiles()
})

/** All that the features call for: a case that is no longer asked shows here. */
const all = { cases: 5266, args: ["--max-servers", "2"] }

/** What depends on whose HTTP/2 it is: codecs and compressions do not. */
const overHttp2 = {
  cases: 753,
  args: [
    ...["--max-servers", "1", "--run", "**/HTTPVersion:2/**", "--skip", "**/Codec:CODEC_JSON/**"],
    ...["GZIP", "BR"].flatMap((name) => ["--skip", `**/Compression:COMPRESSION_${name}/**`])
  ]
}
const { cases, args: some } = http2InTests === "own" ? all : overHttp2

const folder = temporaryFolder()
afterAll(folder.remove)

test("every case of the conformance suite passes", { ...suite.options, timeout: 900_000 }, async ({ signal }) => {
  const descriptors = `${folder.path}/conformance.binpb`
  const served = `${folder.path}/served`
  execFileSync(process.execPath, [
    `${root}node_modules/@bufbuild/buf/bin/buf`,
    "build",
    suite.found!,
    "-o",
    descriptors
  ])
  const server = [process.execPath, `${here}/server.ts`, descriptors, served]
  const args = ["--mode", "server", "--conf", `${here}/features.yaml`, ...some, "--", ...server]
  // The runner waits ten seconds for a server to start. On a busy machine that is not long for compiling all its modules.
  const env = { ...process.env, NODE_COMPILE_CACHE: `${folder.path}/compiled` }
  const run = spawn(runner!, args, { env, stdio: ["ignore", "pipe", "pipe"], signal })
  const [output, errors] = await Promise.all([text(run.stdout), text(run.stderr)])
  const failed = output.split("\n").filter((line) => line.trim() !== "" && !/^(PASS|Running|Total)/.test(line))
  assert.include(output, `Total cases: ${cases}\n${cases} passed, 0 failed`, `${failed.join("\n")}\n${errors}`)
  // Which calls exactly these are, test/transport/grpc/fast-path.test.ts says.
  if (http2InTests === "own") assert.isAbove(readFileSync(served).length, 0, "the fast path served none of the calls")
  else assert.isFalse(existsSync(served), "the fast path served calls of Node's HTTP/2")
})
