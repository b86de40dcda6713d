// A compact binary encoding for cursors and page tokens, which travel in headers, URLs and messages.

const encoder = new TextEncoder()
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })

/** Bytes as text, one character per byte, as `btoa` takes it. Concatenation is fast. */
export type Bytes = string

export const varint = (value: bigint): Bytes => {
  let bytes = ""
  let rest = value
  for (; rest > 2n ** 31n; rest >>= 7n) bytes += String.fromCharCode(Number(rest & 127n) | 128)
  // Bigints are slow, and most values are small.
  let small = Number(rest)
  for (; small > 127; small = Math.floor(small / 128)) bytes += String.fromCharCode((small & 127) | 128)
  return bytes + String.fromCharCode(small)
}

export const text = (value: string): Bytes => {
  const bytes = encoder.encode(value)
  return varint(BigInt(bytes.length)) + String.fromCharCode(...bytes)
}

/** Bytes as URL-safe base64. */
export const base64Url = (bytes: Bytes): string =>
  btoa(bytes).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "")

/** The bytes of a URL-safe base64 text; undefined for any other text. */
export const fromBase64Url = (encoded: string): Uint8Array | undefined => {
  if (!/^[A-Za-z0-9_-]+$/.test(encoded)) return undefined
  try {
    return Uint8Array.from(atob(encoded.replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0))
  } catch {
    return undefined
  }
}

/** Decodes what the functions above encode. Throws a RangeError or TypeError for any other bytes. */
export class ByteReader {
  #offset = 0
  readonly #bytes: Uint8Array

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  get atEnd(): boolean {
    return this.#offset === this.#bytes.length
  }

  byte(): number {
    const byte = this.#bytes[this.#offset++]
    if (byte === undefined) throw new RangeError("bytes are cut short")
    return byte
  }

  take(length: number): Uint8Array {
    if (length > this.#bytes.length - this.#offset) throw new RangeError("bytes are cut short")
    this.#offset += length
    return this.#bytes.subarray(this.#offset - length, this.#offset)
  }

  varint(): bigint {
    let value = 0n
    for (let shift = 0n; shift < 64n; shift += 7n) {
      const byte = this.byte()
      value |= BigInt(byte & 127) << shift
      if (byte < 128) return value
    }
    throw new RangeError("number is too long")
  }

  text(): string {
    return decoder.decode(this.take(Number(this.varint())))
  }

  hex(length: number): string {
    return Array.from(this.take(length), (byte) => byte.toString(16).padStart(2, "0")).join("")
  }
}
