// Makes a policy's Wasm stoppable. An evaluation is synchronous, so nothing else could end one that takes too long, and
// a policy that loops over what a caller sent may take any time. Each loop counts down a global at its head; at zero it
// calls the imported `opa_abort` with an address that is none, where the host looks at the clock. No import is added,
// since that would renumber all functions.

/** The global that counts down, as it is exported. */
export const fuelExport = "stategate_fuel"
/** What `opa_abort` is called with when the fuel is used up. */
export const outOfFuel = -1

/** The module with its loops metered. Fails on instructions that it does not know. */
export const metered = (wasm: Uint8Array): Uint8Array<ArrayBuffer> => {
  const reader = new Reader(wasm)
  if (reader.uint32() !== magic || reader.uint32() !== version) throw new Error("this is not a WebAssembly module")
  const output: Array<Uint8Array> = [wasm.subarray(0, 8)]
  let imports: Imports = { functions: 0, globals: 0, abort: undefined }
  let fuel: number | undefined
  while (!reader.isAtEnd) {
    const id = reader.byte()
    const body = reader.bytes(reader.leb())
    switch (id) {
      case importSection:
        imports = importsOf(new Reader(body))
        output.push(section(id, [body]))
        break
      case globalSection: {
        const { count, rest } = counted(body)
        fuel = imports.globals + count
        output.push(section(id, [leb(count + 1), rest, fuelGlobal]))
        break
      }
      case exportSection: {
        if (fuel === undefined) throw new Error("the policy's Wasm has no globals")
        const { count, rest } = counted(body)
        const name = new TextEncoder().encode(fuelExport)
        output.push(section(id, [leb(count + 1), rest, leb(name.length), name, Uint8Array.of(globalKind), leb(fuel)]))
        break
      }
      case codeSection: {
        if (fuel === undefined || imports.abort === undefined) throw new Error("the policy's Wasm imports no opa_abort")
        output.push(section(id, meteredCode(new Reader(body), check(fuel, imports.abort))))
        break
      }
      default:
        output.push(section(id, [body]))
    }
  }
  return joined(output)
}

const magic = 0x6d736100
const version = 1
const importSection = 2
const globalSection = 6
const exportSection = 7
const codeSection = 10
const globalKind = 3

class Reader {
  readonly source: Uint8Array
  at = 0
  constructor(source: Uint8Array) {
    this.source = source
  }
  get isAtEnd(): boolean {
    return this.at >= this.source.length
  }
  byte(): number {
    const byte = this.source[this.at++]
    if (byte === undefined) throw new Error("the policy's Wasm is cut off")
    return byte
  }
  bytes(count: number): Uint8Array {
    this.at += count
    if (this.at > this.source.length) throw new Error("the policy's Wasm is cut off")
    return this.source.subarray(this.at - count, this.at)
  }
  uint32(): number {
    return this.byte() | (this.byte() << 8) | (this.byte() << 16) | (this.byte() << 24)
  }
  /** An unsigned integer of at most 32 bits. Of signed and longer ones only the length is right. */
  leb(): number {
    let value = 0
    for (let shift = 0; ; shift += 7) {
      const byte = this.byte()
      if (shift < 32) value |= (byte & 0x7f) << shift
      if (byte < 0x80) return value >>> 0
      if (shift > 63) throw new Error("the policy's Wasm has an integer that is too long")
    }
  }
}

const leb = (value: number): Uint8Array => {
  const bytes: Array<number> = []
  for (let rest = value; ; rest >>>= 7) {
    if (rest < 0x80) return Uint8Array.of(...bytes, rest)
    bytes.push((rest & 0x7f) | 0x80)
  }
}

const joined = (parts: ReadonlyArray<Uint8Array>): Uint8Array<ArrayBuffer> => {
  const all = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0))
  let at = 0
  for (const part of parts) {
    all.set(part, at)
    at += part.length
  }
  return all
}

const section = (id: number, parts: ReadonlyArray<Uint8Array>): Uint8Array => {
  const body = joined(parts)
  return joined([Uint8Array.of(id), leb(body.length), body])
}

const counted = (body: Uint8Array): { readonly count: number; readonly rest: Uint8Array } => {
  const reader = new Reader(body)
  return { count: reader.leb(), rest: body.subarray(reader.at) }
}

interface Imports {
  readonly functions: number
  readonly globals: number
  /** The index of `opa_abort`. */
  readonly abort: number | undefined
}

const importsOf = (reader: Reader): Imports => {
  let [functions, globals] = [0, 0]
  let abort: number | undefined
  for (let left = reader.leb(); left > 0; left--) {
    reader.bytes(reader.leb())
    const name = new TextDecoder().decode(reader.bytes(reader.leb()))
    const kind = reader.byte()
    if (kind === 0) {
      if (name === "opa_abort") abort = functions
      functions++
      reader.leb()
    } else if (kind === globalKind) {
      globals++
      reader.bytes(2)
    } else {
      if (kind === 1) reader.byte()
      const hasMaximum = (reader.byte() & 1) === 1
      reader.leb()
      if (hasMaximum) reader.leb()
    }
  }
  return { functions, globals, abort }
}

/** A mutable i32 that is 0 at first. */
const fuelGlobal = Uint8Array.of(0x7f, 1, 0x41, 0, 0x0b)

/** What a loop does first: `if ((fuel -= 1) == 0) opa_abort(outOfFuel)`. */
const check = (fuel: number, abort: number): Uint8Array => {
  const [global, call] = [leb(fuel), leb(abort)]
  const count = [Uint8Array.of(0x23), global, Uint8Array.of(0x41, 1, 0x6b, 0x24), global]
  // The last byte of the constant is -1.
  const test = [Uint8Array.of(0x23), global, Uint8Array.of(0x45, 0x04, 0x40, 0x41, 0x7f, 0x10), call]
  return joined([...count, ...test, Uint8Array.of(0x0b)])
}

const meteredCode = (reader: Reader, inserted: Uint8Array): ReadonlyArray<Uint8Array> => {
  const count = reader.leb()
  const parts: Array<Uint8Array> = [leb(count)]
  for (let left = count; left > 0; left--) {
    const pieces = meteredFunction(reader.bytes(reader.leb()), inserted)
    parts.push(leb(pieces.reduce((sum, { length }) => sum + length, 0)), ...pieces)
  }
  return parts
}

const meteredFunction = (body: Uint8Array, inserted: Uint8Array): ReadonlyArray<Uint8Array> => {
  const reader = new Reader(body)
  for (let groups = reader.leb(); groups > 0; groups--) {
    reader.leb()
    reader.byte()
  }
  const pieces: Array<Uint8Array> = []
  let copied = 0
  while (!reader.isAtEnd) {
    const opcode = reader.byte()
    skipImmediates(reader, opcode)
    if (opcode !== loopOpcode) continue
    pieces.push(body.subarray(copied, reader.at), inserted)
    copied = reader.at
  }
  pieces.push(body.subarray(copied))
  return pieces
}

const loopOpcode = 0x03

const skipImmediates = (reader: Reader, opcode: number): void => {
  const integers = integersAfter(opcode)
  for (let left = integers; left > 0; left--) reader.leb()
  if (opcode === 0x0e) for (let left = reader.leb() + 1; left > 0; left--) reader.leb()
  else if (opcode === 0x1c) reader.bytes(reader.leb())
  else if (opcode === 0x43) reader.bytes(4)
  else if (opcode === 0x44) reader.bytes(8)
  else if (opcode === 0xfc) skipPrefixed(reader)
}

/** How many LEB128 integers follow an instruction of the core specification 2.0 without vectors. */
const integersAfter = (opcode: number): number => {
  if (opcode >= 0x02 && opcode <= 0x04) return 1 // block, loop, if
  if (opcode === 0x0c || opcode === 0x0d || opcode === 0x10) return 1 // br, br_if, call
  if (opcode === 0x11) return 2 // call_indirect
  if (opcode >= 0x20 && opcode <= 0x26) return 1 // local, global, table
  if (opcode >= 0x28 && opcode <= 0x3e) return 2 // loads and stores
  if (opcode >= 0x3f && opcode <= 0x42) return 1 // memory.size, memory.grow, i32.const, i64.const
  if (opcode === 0xd0 || opcode === 0xd2) return 1 // ref.null, ref.func
  const isPlain = opcode <= 0x01 || opcode === 0x05 || opcode === 0x0b || opcode === 0x0f
  const isOperator = opcode === 0x1a || opcode === 0x1b || (opcode >= 0x45 && opcode <= 0xc4) || opcode === 0xd1
  if (isPlain || isOperator || [0x0e, 0x1c, 0x43, 0x44, 0xfc].includes(opcode)) return 0
  throw new Error(`the policy's Wasm has the unknown instruction 0x${opcode.toString(16)}`)
}

/** Conversions have no immediates; of those for memories and tables each has one or two. */
const skipPrefixed = (reader: Reader): void => {
  const operation = reader.leb()
  if (operation > 17) throw new Error(`the policy's Wasm has the unknown instruction 0xfc ${operation}`)
  const integers = operation <= 7 ? 0 : [8, 10, 12, 14].includes(operation) ? 2 : 1
  for (let left = integers; left > 0; left--) reader.leb()
}
