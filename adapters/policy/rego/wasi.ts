import { getRandomValues } from "node:crypto"

/** What a program wrote, and how it ended. */
export interface Ended {
  readonly exitCode: number
  readonly stdout: Uint8Array<ArrayBuffer>
  readonly stderr: string
}

/**
 * Runs a WASI preview 1 command on an input, to its end, in this thread. The program sees its standard streams, the
 * clock and random bytes; it has no arguments, no environment and no files. `node:wasi` is not on every runtime.
 */
export const runCommand = (module: WebAssembly.Module, input: Uint8Array): Ended => {
  const written: Record<1 | 2, Array<Uint8Array<ArrayBuffer>>> = { 1: [], 2: [] }
  let consumed = 0
  let memory: WebAssembly.Memory
  const view = () => new DataView(memory.buffer)

  /** The buffers of a scatter or gather call: pairs of address and length. */
  const buffers = (address: number, count: number): ReadonlyArray<Uint8Array<ArrayBuffer>> =>
    Array.from({ length: count }, (_, i) => {
      const start = view().getUint32(address + 8 * i, true)
      return new Uint8Array(memory.buffer as ArrayBuffer, start, view().getUint32(address + 8 * i + 4, true))
    })

  const calls: Readonly<Record<string, (...args: ReadonlyArray<never>) => number>> = {
    proc_exit: (code: number) => {
      throw new Exit(code)
    },
    sched_yield: () => ok,
    args_sizes_get: (count: number, size: number) => writeSizes(view(), count, size),
    args_get: () => ok,
    environ_sizes_get: (count: number, size: number) => writeSizes(view(), count, size),
    environ_get: () => ok,
    clock_time_get: (clock: number, _precision: bigint, result: number) => {
      const ms = clock === realtime ? Date.now() : performance.now()
      view().setBigUint64(result, BigInt(Math.round(ms * 1e6)), true)
      return ok
    },
    // Sleeps end at once: the program has nothing to wait for.
    poll_oneoff: (_subscriptions: number, events: number, count: number, result: number) => {
      new Uint8Array(memory.buffer, events, count * eventBytes).fill(0)
      view().setUint32(result, count, true)
      return ok
    },
    random_get: (address: number, length: number) => {
      for (let at = 0; at < length; at += randomBytesMax) {
        getRandomValues(new Uint8Array(memory.buffer, address + at, Math.min(randomBytesMax, length - at)))
      }
      return ok
    },
    fd_read: (descriptor: number, address: number, count: number, result: number) => {
      if (descriptor !== 0) return badDescriptor
      let read = 0
      for (const buffer of buffers(address, count)) {
        const part = input.subarray(consumed, consumed + buffer.length)
        buffer.set(part)
        consumed += part.length
        read += part.length
      }
      view().setUint32(result, read, true)
      return ok
    },
    fd_write: (descriptor: number, address: number, count: number, result: number) => {
      if (descriptor !== 1 && descriptor !== 2) return badDescriptor
      const parts = buffers(address, count).map((buffer) => buffer.slice())
      written[descriptor].push(...parts)
      view().setUint32(
        result,
        parts.reduce((sum, part) => sum + part.length, 0),
        true
      )
      return ok
    },
    fd_fdstat_get: (descriptor: number, address: number) => {
      if (descriptor > 2) return badDescriptor
      new Uint8Array(memory.buffer, address, fdstatBytes).fill(0)
      view().setUint8(address, characterDevice)
      view().setBigUint64(address + 8, allRights, true)
      return ok
    },
    fd_fdstat_set_flags: () => ok,
    // The first directory asked for does not exist, so there are none.
    fd_prestat_get: () => badDescriptor
  }
  const imports = Object.fromEntries(
    WebAssembly.Module.imports(module).map(({ name }) => [name, calls[name] ?? (() => notSupported)])
  )
  const instance = new WebAssembly.Instance(module, { wasi_snapshot_preview1: imports })
  memory = instance.exports["memory"] as WebAssembly.Memory
  let exitCode = 0
  try {
    ;(instance.exports["_start"] as () => void)()
  } catch (thrown) {
    if (!(thrown instanceof Exit)) throw thrown
    exitCode = thrown.code
  }
  return { exitCode, stdout: joined(written[1]), stderr: new TextDecoder().decode(joined(written[2])) }
}

const ok = 0
const realtime = 0
const badDescriptor = 8
const notSupported = 58
const characterDevice = 2
const allRights = 0xffff_ffff_ffff_ffffn
const fdstatBytes = 24
const eventBytes = 32
/** The most that `getRandomValues` gives at once. */
const randomBytesMax = 65_536

class Exit extends Error {
  readonly code: number
  constructor(code: number) {
    super(`exit ${code}`)
    this.code = code
  }
}

const writeSizes = (view: DataView, count: number, size: number): number => {
  view.setUint32(count, 0, true)
  view.setUint32(size, 0, true)
  return ok
}

const joined = (parts: ReadonlyArray<Uint8Array<ArrayBuffer>>): Uint8Array<ArrayBuffer> => {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    all.set(part, at)
    at += part.length
  }
  return all
}
