import { fieldBytes, tableBytes } from "./fields.ts"
import { huffmanDecoded } from "./huffman.ts"
import { FieldTable } from "./table.ts"

/** The block cannot be decoded, and so no later one either: the connection has to end. */
export class CompressionError extends Error {}

/** Decodes the header blocks of one connection, which must all be given, in order (RFC 7541). */
export class HpackDecoder {
  readonly #table = new FieldTable()
  #block: Buffer = Buffer.alloc(0)
  #at = 0

  /** Number of table changes so far. While it stays the same, equal blocks mean equal fields. */
  get changes(): number {
    return this.#table.changes
  }

  /**
   * Calls `field` for every field in turn, and returns how large their list is. A list that is larger than `bytesMax` is
   * decoded to its end, since the blocks after it depend on it; fields beyond `bytesMax` go to `excess`.
   */
  decode(
    block: Buffer,
    bytesMax: number,
    field: (name: string, value: string) => void,
    excess: (name: string, value: string) => void = () => {}
  ): { readonly whole: boolean; readonly bytes: number } {
    this.#block = block
    this.#at = 0
    let bytes = 0
    let fields = 0
    while (this.#at < block.length) {
      const first = block[this.#at]!
      if ((first & 0xe0) === 0x20) {
        // A table size update, which may only come first.
        if (fields > 0) throw new CompressionError("a table size in the middle of a block")
        const size = this.#integer(5)
        if (size > tableBytes) throw new CompressionError("a table larger than agreed")
        this.#table.resize(size)
        continue
      }
      fields += 1
      const [name, value] = this.#field(first)
      bytes += fieldBytes(name, value)
      if (bytes <= bytesMax) field(name, value)
      else excess(name, value)
    }
    return { whole: bytes <= bytesMax, bytes }
  }

  #field(first: number): readonly [string, string] {
    if (first >= 0x80) return this.#indexed(this.#integer(7))
    const isKept = first >= 0x40
    const index = this.#integer(isKept ? 6 : 4)
    const name = index === 0 ? this.#text() : this.#indexed(index)[0]
    const field = [name, this.#text()] as const
    if (isKept) this.#table.add(field)
    return field
  }

  #indexed(index: number): readonly [string, string] {
    const field = this.#table.at(index)
    if (field === undefined) throw new CompressionError("an index outside of the table")
    return field
  }

  /** An integer with a prefix of so many bits (RFC 7541, 5.1). At most 28 bits, which every valid length and index fits. */
  #integer(prefixBits: number): number {
    const mask = (1 << prefixBits) - 1
    let value = this.#byte() & mask
    if (value < mask) return value
    for (let shift = 0; shift <= 21; shift += 7) {
      const byte = this.#byte()
      value += (byte & 0x7f) << shift
      if (byte < 0x80) return value
    }
    throw new CompressionError("an integer that is too large")
  }

  #text(): string {
    const isHuffman = (this.#block[this.#at] ?? 0) >= 0x80
    const length = this.#integer(7)
    const from = this.#at
    this.#at += length
    if (this.#at > this.#block.length) throw new CompressionError("a text that is cut short")
    if (!isHuffman) return this.#block.toString("latin1", from, this.#at)
    const text = huffmanDecoded(this.#block, from, this.#at)
    if (text === undefined) throw new CompressionError("an invalid Huffman code")
    return text
  }

  #byte(): number {
    if (this.#at >= this.#block.length) throw new CompressionError("a block that is cut short")
    return this.#block[this.#at++]!
  }
}
