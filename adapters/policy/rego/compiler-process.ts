import { readFileSync, writeSync } from "node:fs"
import { brotliDecompressSync } from "node:zlib"
import { runCommand } from "./wasi.ts"

// Compiles one policy and ends: standard input is the request, standard output the reply. The compiler takes some 300
// MB, and a thread that ends leaves most of that with the process.

const compiler = readFileSync(new URL("./compiler.wasm.br", import.meta.url))
const { exitCode, stdout, stderr } = runCommand(new WebAssembly.Module(brotliDecompressSync(compiler)), readFileSync(0))
process.stderr.write(stderr)
for (let at = 0; at < stdout.length; ) at += writeSync(1, stdout, at)
process.exitCode = exitCode
