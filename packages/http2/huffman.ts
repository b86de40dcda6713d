// The Huffman code of HPACK (RFC 7541, appendix B). It is canonical: codes of one length are in the order of their
// symbols, so the lengths define it.

// biome-ignore format: a table, not code
const lengths: ReadonlyArray<number> = [
  13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28,
  6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10,
  13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
  15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28,
  20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24,
  22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
  26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27,
  20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
  30
]

/** EOS: padding consists of its first bits, and it must not occur as a whole (RFC 7541, 5.2). */
const endOfString = 256

/** A binary tree: for a node and a bit, the child node, or the complement of a symbol. Node 0 is the root. */
const children = ((): Int16Array => {
  const tree = new Int16Array(1024)
  let nodes = 1
  const symbols = lengths.map((length, symbol) => ({ length, symbol })).sort((a, b) => a.length - b.length)
  let code = 0
  let longest = 0
  for (const { length, symbol } of symbols) {
    code <<= length - longest
    longest = length
    let node = 0
    for (let bit = length - 1; bit >= 0; bit--) {
      const at = 2 * node + ((code >> bit) & 1)
      if (bit === 0) tree[at] = ~symbol
      else if (tree[at] === 0) tree[at] = nodes++
      node = tree[at]!
    }
    code += 1
  }
  return tree
})()

/** The decoded text as latin1, or undefined when the bits are no valid code. */
export const huffmanDecoded = (bytes: Buffer, from: number, to: number): string | undefined => {
  // No code is shorter than five bits.
  const text = Buffer.allocUnsafe(Math.ceil(((to - from) * 8) / 5))
  let length = 0
  let node = 0
  let depth = 0
  let ones = true
  for (let i = from; i < to; i++) {
    const byte = bytes[i]!
    for (let bit = 7; bit >= 0; bit--) {
      const one = (byte >> bit) & 1
      node = children[2 * node + one]!
      depth += 1
      ones &&= one === 1
      if (node < 0) {
        if (~node === endOfString) return undefined
        text[length++] = ~node
        node = 0
        depth = 0
        ones = true
      }
    }
  }
  return depth < 8 && ones ? text.toString("latin1", 0, length) : undefined
}
