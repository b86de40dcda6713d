import { type Field, fieldBytes, staticFields, tableBytes } from "./fields.ts"

const indexOfField = new Map<string, number>()
const indexOfName = new Map<string, number>()
for (const [i, [name, value]] of staticFields.entries()) {
  indexOfField.set(`${name}\0${value}`, i + 1)
  if (!indexOfName.has(name)) indexOfName.set(name, i + 1)
}

/** What recurs from answer to answer, so that it is worth a place in the peer's table. Few: an index fits one byte. */
const recurring: ReadonlySet<string> = new Set([
  "content-type\0application/grpc+proto",
  "content-type\0application/grpc",
  "content-type\0application/json",
  "grpc-status\x000"
])

/** The names of answers whose values are worth a look; with the others only the name may be known. */
const namesOfKnown: ReadonlySet<string> = new Set([":status", "content-type", "grpc-status"])

/**
 * Writes the header blocks of one connection. Plain and short rather than small: only what recurs is put into the
 * peer's table, and no text is Huffman coded, since that costs us more than it saves.
 */
export class HpackEncoder {
  /** The recurring fields, in the order in which they were added; none is ever pushed out. */
  readonly #added = new Map<string, number>()
  #usesTable = true
  #tellsSize = false

  /** Follows the setting of the peer. One that grants less than is usual gets blocks that need no table at all. */
  limit(bytes: number): void {
    if (bytes >= tableBytes || !this.#usesTable) return
    this.#usesTable = false
    this.#tellsSize = true
    this.#added.clear()
  }

  /** Appends the block to the bytes at `at`, which must have room for `bytesAtMost`, and gives where it ends. */
  encode(fields: Iterable<Field>, into: Buffer, at: number): number {
    let end = at
    if (this.#tellsSize) {
      this.#tellsSize = false
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

/** Room that a block of these fields takes at most. */
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
