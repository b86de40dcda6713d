/** By code point, which is also the order of UTF-8 bytes. JavaScript's own `<` puts U+FFFF after U+1F600. */
export const compareText = (a: string, b: string): number => {
  const length = Math.min(a.length, b.length)
  for (let at = 0; at < length; at++) {
    const left = a.charCodeAt(at)
    const right = b.charCodeAt(at)
    if (left !== right) return weight(left) - weight(right)
  }
  return a.length - b.length
}

// Halves of astral characters move above U+FFFF, and their order among themselves stays.
const weight = (unit: number): number => (unit >= 0xd800 && unit < 0xe000 ? unit + 0x10000 : unit)

/** Two values of one type. */
export const compareSame = <A extends string | number | bigint>(a: A, b: A): number => {
  if (typeof a === "string") return compareText(a, b as string)
  return a < b ? -1 : a > b ? 1 : 0
}
