import { type Builtin, Undefined } from "./builtins/builtin.ts"
import { builtins as supplied } from "./builtins/builtins.ts"
import { fuelExport, outOfFuel } from "./metering.ts"
import { parseValue, valueText } from "./values.ts"

/** A policy as Wasm with its data, and the bounds of one evaluation. */
export interface InstanceSettings {
  /** With its loops metered. */
  readonly module: WebAssembly.Module
  /** The document `data`, as JSON text. */
  readonly data: string
  /** Milliseconds that an evaluation may take; above, it fails. */
  readonly budgetMs: number
  /** Pages of 64 KiB that an evaluation may use; above, it fails. */
  readonly memoryPagesMax: number
  /** What another instance of the same module and data has prepared. */
  readonly prepared?: Prepared
}

/** The memory of an instance before its first evaluation, with the data read into it. */
export interface Prepared {
  readonly memory: Uint8Array<ArrayBuffer>
  /** The address of the data. */
  readonly data: number
}

/** An evaluation took longer than its budget. */
export class BudgetExceeded extends Error {
  constructor(budgetMs: number) {
    super(`the policy took longer than ${budgetMs} ms`)
  }
}

/** What a policy calls that neither its Wasm nor the gateway has, by name. */
export class MissingBuiltins extends Error {
  readonly names: ReadonlyArray<string>
  constructor(names: ReadonlyArray<string>) {
    super(`the policy needs ${names.join(", ")}, which this gateway does not supply`)
    this.names = names
  }
}

interface Exports {
  readonly opa_eval: (
    reserved: 0,
    entrypoint: number,
    data: number,
    input: number,
    inputBytes: number,
    heap: number,
    asValue: 0 | 1
  ) => number
  readonly opa_malloc: (bytes: number) => number
  readonly opa_value_parse: (address: number, bytes: number) => number
  readonly opa_value_dump: (value: number) => number
  readonly opa_json_dump: (value: number) => number
  readonly opa_heap_ptr_get: () => number
  readonly opa_heap_ptr_set: (address: number) => void
  readonly builtins: () => number
  readonly entrypoints: () => number
  readonly [fuelExport]: WebAssembly.Global
  readonly opa_wasm_abi_version: WebAssembly.Global
  readonly opa_wasm_abi_minor_version: WebAssembly.Global
}

/** Initial pages; a policy with its strings and the C runtime fits, and more is added on demand. */
const initialPages = 16
const pageBytes = 65_536
/** Rounds of loops between looks at the clock: less than a millisecond, and seldom enough to cost nothing. */
const roundsBetweenLooks = 10_000
/** Of ABI 1; from this minor version on there is `opa_eval`. */
const minorVersionMin = 2

/**
 * One instance of a policy: OPA's ABI for Wasm (https://www.openpolicyagent.org/docs/wasm), version 1.2 or later. It
 * evaluates synchronously, and its memory is reset by the next evaluation. After it threw it must not be used again,
 * since its stack is not unwound.
 */
export class PolicyInstance {
  /** Numbers of the entrypoints, by path. */
  readonly entrypoints: ReadonlyMap<string, number>
  readonly #memory: WebAssembly.Memory
  readonly #exports: Exports
  readonly #data: number
  /** Where the memory of an evaluation begins. */
  readonly #heap: number
  readonly #budgetMs: number
  #deadline = Number.POSITIVE_INFINITY
  #bytes: Uint8Array<ArrayBuffer>
  #builtins: ReadonlyArray<Builtin> = []
  #nowNs: bigint | undefined
  readonly #context = {
    nowNs: () => {
      this.#nowNs ??= BigInt(Date.now()) * 1_000_000n
      return this.#nowNs
    }
  }

  constructor({ module, data, budgetMs, memoryPagesMax, prepared }: InstanceSettings) {
    this.#budgetMs = budgetMs
    const initial = prepared === undefined ? initialPages : prepared.memory.length / pageBytes
    this.#memory = new WebAssembly.Memory({ initial, maximum: Math.max(initial, memoryPagesMax) })
    this.#bytes = new Uint8Array(this.#memory.buffer as ArrayBuffer)
    const call = (id: number, ...values: ReadonlyArray<number>) => this.#call(id, values)
    const instance = new WebAssembly.Instance(module, {
      env: {
        memory: this.#memory,
        opa_abort: (address: number) => {
          if (address === outOfFuel) return this.#refuel()
          throw new Error(`the policy was aborted: ${this.#text(address)}`)
        },
        opa_println: () => {},
        opa_builtin0: (id: number) => call(id),
        opa_builtin1: (id: number, _context: number, a: number) => call(id, a),
        opa_builtin2: (id: number, _context: number, a: number, b: number) => call(id, a, b),
        opa_builtin3: (id: number, _context: number, a: number, b: number, c: number) => call(id, a, b, c),
        opa_builtin4: (id: number, _context: number, a: number, b: number, c: number, d: number) => call(id, a, b, c, d)
      }
    })
    this.#exports = instance.exports as unknown as Exports
    this.#checkVersion()
    this.#builtins = this.#linked()
    this.entrypoints = new Map(Object.entries(this.#json(this.#exports.entrypoints()) as Record<string, number>))
    if (prepared !== undefined) this.#view().set(prepared.memory)
    this.#data = prepared?.data ?? this.#parse(data)
    this.#heap = this.#exports.opa_heap_ptr_get()
  }

  /** What further instances start from; to be called before the first evaluation. */
  prepared(): Prepared {
    return { memory: this.#view().slice(), data: this.#data }
  }

  /** Bytes of memory that the instance holds. */
  get memoryBytes(): number {
    return this.#memory.buffer.byteLength
  }

  /** The JSON text of the result set of an entrypoint: `[]` where it is undefined, else `[{"result": …}]`. */
  evaluate(entrypoint: number, input: string): string {
    return this.#text(this.#evaluate(entrypoint, input))
  }

  /** Whether an entrypoint is exactly `true`. */
  isTrue(entrypoint: number, input: string): boolean {
    const at = this.#evaluate(entrypoint, input)
    const bytes = this.#view()
    for (let i = 0; i < trueResult.length; i++) if (bytes[at + i] !== trueResult[i]) return false
    return true
  }

  #evaluate(entrypoint: number, input: string): number {
    let at = this.#heap
    let bytes = this.#view()
    // A character takes three bytes at most.
    if (at + input.length * 3 > bytes.length) {
      this.#exports.opa_heap_ptr_set(at)
      at = this.#exports.opa_malloc(input.length * 3)
      bytes = this.#view()
    }
    const { written } = encoder.encodeInto(input, bytes.subarray(at))
    const heap = at + aligned(written)
    this.#exports[fuelExport].value = roundsBetweenLooks
    this.#nowNs = undefined
    this.#deadline = performance.now() + this.#budgetMs
    return this.#exports.opa_eval(0, entrypoint, this.#data, at, written, heap, 0)
  }

  #refuel(): void {
    if (performance.now() > this.#deadline) throw new BudgetExceeded(this.#budgetMs)
    this.#exports[fuelExport].value = roundsBetweenLooks
  }

  #call(id: number, values: ReadonlyArray<number>): number {
    const builtin = this.#builtins[id]
    if (builtin === undefined) throw new Error(`the policy calls the unknown builtin ${id}`)
    const args = values.map((value) => parseValue(this.#text(this.#exports.opa_value_dump(value))))
    let result = 0
    try {
      result = this.#parse(valueText(builtin(args, this.#context)))
    } catch (failure) {
      // Zero is an undefined value.
      if (!(failure instanceof Undefined)) throw failure
    }
    if (performance.now() > this.#deadline) throw new BudgetExceeded(this.#budgetMs)
    return result
  }

  #linked(): ReadonlyArray<Builtin> {
    const needed = this.#json(this.#exports.builtins()) as Record<string, number>
    const missing = Object.keys(needed).filter((name) => !Object.hasOwn(supplied, name))
    if (missing.length > 0) throw new MissingBuiltins(missing)
    const linked: Array<Builtin> = []
    for (const [name, id] of Object.entries(needed)) linked[id] = supplied[name]!
    return linked
  }

  #checkVersion(): void {
    const major = this.#exports.opa_wasm_abi_version?.value
    const minor = this.#exports.opa_wasm_abi_minor_version?.value
    if (major !== 1 || minor < minorVersionMin) {
      throw new Error(`the policy's Wasm has ABI ${major}.${minor}; it must be 1.${minorVersionMin} or a later 1.x`)
    }
  }

  /** The bytes of the memory, which move when it grows. */
  #view(): Uint8Array<ArrayBuffer> {
    if (this.#bytes.buffer !== this.#memory.buffer) {
      this.#bytes = new Uint8Array(this.#memory.buffer as ArrayBuffer)
    }
    return this.#bytes
  }

  #parse(text: string): number {
    const bytes = encoder.encode(text)
    const at = this.#exports.opa_malloc(bytes.length)
    this.#view().set(bytes, at)
    const value = this.#exports.opa_value_parse(at, bytes.length)
    if (value === 0) throw new Error("the policy cannot read a value")
    return value
  }

  #text(address: number): string {
    const bytes = this.#view()
    return decoder.decode(bytes.subarray(address, bytes.indexOf(0, address)))
  }

  #json(value: number): unknown {
    return JSON.parse(this.#text(this.#exports.opa_json_dump(value)))
  }
}

/** The result set of a rule that is `true`, with the byte that ends it. */
const trueResult = new TextEncoder().encode('[{"result":true}]\0')
const encoder = new TextEncoder()
const decoder = new TextDecoder()

const aligned = (bytes: number): number => Math.ceil(bytes / 8) * 8
