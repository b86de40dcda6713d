import { type Field, fieldBytes, staticFields, tableBytes } from "./fields.ts"

const indexOfField = new Map<string, number>()
const indexOfName = new Map<string, number>()
for (const [i, [name, value]] of staticFields.entries()) {
  indexOfField.set(`${name}\0${value}`, i + 1)
  if (!indexOfName.has(name)) indexOfName.set(name, i + 1)
}

/** Fields that recur from answer to answer, so they go into the peer's table. Few: their indexes fit into one byte. */
const recurring: ReadonlySet<string> = new Set([
  "content-type\0application/grpc+proto",
  "content-type\0application/grpc",
  "content-type\0application/json",
  "grpc-status\x000"
])

/** Names whose name and value together may be in a table; of the others only the name is looked up. */
const namesOfKnown: ReadonlySet<string> = new Set([":status", "content-type", "grpc-status"])

/**
 * Encodes the header blocks of one connection. Only recurring fields go into the peer's table, and no string is Huffman
 * coded: that costs more processor time than it saves bytes.
 */
export class HpackEncoder {
  /** The recurring fields in the order of insertion. They all fit, so none is ever evicted. */
  readonly #added = new Map<string, number>()
  #usesTable = true
  #owesSizeUpdate = false

  /** Follows SETTINGS_HEADER_TABLE_SIZE. A peer that grants less than the default gets blocks that need no table. */
  limit(bytes: number): void {
    if (bytes >= tableBytes || !this.#usesTable) return
    this.#usesTable = false
    this.#owesSizeUpdate = true
    this.#added.clear()
  }

  /** Writes the block at `at`, where `bytesAtMost` must be free, and returns where it ends. */
  encode(fields: Iterable<Field>, into: Buffer, at: number): number {
    let end = at
    if (this.#owesSizeUpdate) {
      this.#owesSizeUpdate = false
      into[end++] = 0x20
    }
    for (const [name, value] of fields) end = this.#field(name, value, into, end)
    return end
  }

  #field(name: string, value: string, into: Buffer, at: number): number {
    const nameIndex = indexOfName.get(name) ?? 0
    const key = namesOfKnown.has(name) ? `${name}\0${value}` : ""
    const known = indexOfField.get(key)
    if (known !== undefined) {
      into[at] = 0x80 | known
      return at + 1
    }
    if (!this.#usesTable || !recurring.has(key)) {
      return textEnd(value, into, nameEnd(name, nameIndex, 4, 0x00, into, at))
    }
    const order = this.#added.get(key)
    if (order !== undefined) {
      // The newest comes first.
      into[at] = 0x80 | (staticFields.length + this.#added.size - order)
      return at + 1
    }
    this.#added.set(key, this.#added.size)
    return textEnd(value, into, nameEnd(name, nameIndex, 6, 0x40, into, at))
  }
}

/** The most bytes that a block of these fields takes. */
export const bytesAtMost = (fields: Iterable<Field>): number => {
  let bytes = 8
  for (const [name, value] of fields) bytes += fieldBytes(name, value)
  return bytes
}

const nameEnd = (name: string, index: number, prefixBits: number, flags: number, into: Buffer, at: number): number => {
  const end = integerEnd(index, prefixBits, flags, into, at)
  return index === 0 ? textEnd(name, into, end) : end
}

const textEnd = (text: string, into: Buffer, at: number): number => {
  const end = integerEnd(text.length, 7, 0x00, into, at)
  return end + into.write(text, end, "latin1")
}

const integerEnd = (value: number, prefixBits: number, flags: number, into: Buffer, at: number): number => {
  const mask = (1 << prefixBits) - 1
  if (value < mask) {
    into[at] = flags | value
    return at + 1
  }
  into[at] = flags | mask
  let end = at + 1
  let rest = value - mask
  for (; rest >= 0x80; rest >>= 7) into[end++] = (rest & 0x7f) | 0x80
  into[end++] = rest
  return end
}
