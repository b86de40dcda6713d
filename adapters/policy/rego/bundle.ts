import { gunzipSync } from "node:zlib"
import type { JsonObject } from "../../../domain/json.ts"
import type { RegoModule } from "./compilation.ts"
import { policyBytesMax } from "./limits.ts"
import { tarFiles } from "./tar.ts"

/** What a policy's bytes hold, whichever form they have. */
export interface PolicySource {
  /** Built by `opa build -t wasm`. */
  readonly wasm?: Uint8Array
  readonly modules: ReadonlyArray<RegoModule>
  /** The documents of a bundle. */
  readonly data: JsonObject
}

/** Reads Rego as text, a Wasm module, or an OPA bundle; the first bytes tell which. Problems name the source. */
export const policySource = (name: string, bytes: Uint8Array): PolicySource => {
  if (bytes.length > policyBytesMax) throw new Error(`${name}: must not be larger than ${policyBytesMax} bytes`)
  if (startsWith(bytes, [0, 0x61, 0x73, 0x6d])) return { wasm: bytes, modules: [], data: {} }
  if (startsWith(bytes, [0x1f, 0x8b])) return bundle(name, bytes)
  return { modules: [{ path: name, source: regoText(name, bytes) }], data: {} }
}

const startsWith = (bytes: Uint8Array, prefix: ReadonlyArray<number>): boolean =>
  prefix.every((byte, i) => bytes[i] === byte)

const regoText = (name: string, bytes: Uint8Array): string => {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes)
  } catch {
    throw new Error(`${name}: must be Rego as UTF-8, a Wasm module or an OPA bundle`)
  }
}

const bundle = (name: string, bytes: Uint8Array): PolicySource => {
  const files = tarFiles(unzipped(name, bytes))
  const wasm = files.get("policy.wasm")
  const modules = [...files]
    .filter(([path]) => path.endsWith(".rego"))
    .map(([path, body]) => ({ path: `${name}/${path}`, source: regoText(`${name}/${path}`, body) }))
  if (wasm === undefined && modules.length === 0) throw new Error(`${name}: the bundle holds neither Wasm nor Rego`)
  let data: JsonObject = {}
  for (const [path, body] of files) {
    if (/(^|\/)data\.json$/.test(path)) data = merged(data, placed(path, documentOf(`${name}/${path}`, body)))
    if (/(^|\/)data\.ya?ml$/.test(path)) throw new Error(`${name}/${path}: data must be JSON; run \`opa build\``)
  }
  return { ...(wasm === undefined ? {} : { wasm }), modules: wasm === undefined ? modules : [], data }
}

const unzipped = (name: string, bytes: Uint8Array): Uint8Array => {
  try {
    return gunzipSync(bytes, { maxOutputLength: policyBytesMax })
  } catch (cause) {
    throw new Error(`${name}: cannot be unpacked, or is larger than ${policyBytesMax} bytes`, { cause })
  }
}

/** A JSON object, such as the document `data`. */
export const documentOf = (name: string, bytes: Uint8Array): JsonObject => {
  let value: unknown
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes))
  } catch (cause) {
    throw new Error(`${name}: must be JSON: ${cause instanceof Error ? cause.message : String(cause)}`)
  }
  if (!isObject(value)) throw new Error(`${name}: must be a JSON object`)
  return value
}

/** The folder of a data file is where its document is in `data`. */
const placed = (path: string, document: JsonObject): JsonObject =>
  path
    .split("/")
    .slice(0, -1)
    .reduceRight((inner: JsonObject, name) => Object.fromEntries([[name, inner]]), document)

/** Both documents as one; where both have a value that is no object, the second one's counts. */
export const merged = (first: JsonObject, second: JsonObject): JsonObject => {
  const all = new Map(Object.entries(first))
  for (const [name, value] of Object.entries(second)) {
    const known = all.get(name)
    all.set(name, isObject(known) && isObject(value) ? merged(known, value) : value)
  }
  return Object.fromEntries(all)
}

const isObject = (value: unknown): value is JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value)
