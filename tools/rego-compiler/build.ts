// Builds the compiler of policies: `node tools/rego-compiler/build.ts` writes the artefact, and `--check` fails unless
// the one in the repository is what this source makes. Go's version is pinned in go.mod, so every machine makes the same.

import { execFileSync } from "node:child_process"
import { createHash } from "node:crypto"
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { brotliCompressSync, brotliDecompressSync, constants } from "node:zlib"

const source = import.meta.dirname
const adapter = join(source, "../../adapters/policy/rego")
const artefact = join(adapter, "compiler.wasm.br")
const checksum = join(adapter, "compiler.wasm.sha256")

const goVersion = /^toolchain (\S+)$/m.exec(readFileSync(join(source, "go.mod"), "utf8"))![1]!

const built = (): Buffer<ArrayBuffer> => {
  const folder = mkdtempSync(join(tmpdir(), "rego-compiler-"))
  try {
    const output = join(folder, "compiler.wasm")
    const flags = ["-trimpath", "-buildvcs=false", "-ldflags=-s -w -buildid=", "-o", output]
    execFileSync("go", ["build", ...flags, "."], {
      cwd: source,
      stdio: "inherit",
      env: {
        ...process.env,
        GOOS: "wasip1",
        GOARCH: "wasm",
        GOFLAGS: "",
        GOWASM: "",
        GOEXPERIMENT: "",
        GOTOOLCHAIN: goVersion
      }
    })
    return readFileSync(output)
  } finally {
    rmSync(folder, { recursive: true })
  }
}

const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex")
const say = (text: string) => process.stdout.write(`${text}\n`)

const wasm = built()
if (process.argv.includes("--check")) {
  const [is, should] = [sha256(brotliDecompressSync(readFileSync(artefact))), sha256(wasm)]
  const stated = readFileSync(checksum, "utf8").trim()
  if (is !== should || stated !== should) {
    say(`the source makes ${should}, ${artefact} holds ${is}, ${checksum} states ${stated}`)
    say("run `node tools/rego-compiler/build.ts`, and commit what it writes")
    process.exit(1)
  }
  say(`the compiler of policies is what its source makes: ${is}`)
} else {
  const compressed = brotliCompressSync(wasm, {
    params: {
      [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY,
      [constants.BROTLI_PARAM_LGWIN]: constants.BROTLI_MAX_WINDOW_BITS,
      [constants.BROTLI_PARAM_SIZE_HINT]: wasm.length
    }
  })
  writeFileSync(artefact, compressed)
  writeFileSync(checksum, `${sha256(wasm)}\n`)
  say(`${wasm.length} bytes, compressed ${compressed.length}`)
}
