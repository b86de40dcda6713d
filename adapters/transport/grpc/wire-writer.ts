/**
 * Writes the wire format of protocol buffers into one growing buffer. For the few messages that go out by the hundred
 * thousand; everything else is protobuf-es's.
 */
export class WireWriter {
  #bytes: Buffer
  #at = 0

  constructor(bytes: number) {
    this.#bytes = Buffer.allocUnsafeSlow(bytes)
  }

  /** What was written so far, as it is: the buffer goes with it. */
  take(): Buffer {
    const taken = this.#bytes.subarray(0, this.#at)
    this.#bytes = nothing
    this.#at = 0
    return taken
  }

  get length(): number {
    return this.#at
  }

  /** A field that is left out when it is empty, as proto3 does. */
  text(tag: number, value: string): void {
    if (value !== "") this.textAlways(tag, value)
  }

  /** A field whose presence says something. */
  textAlways(tag: number, value: string): void {
    // Three bytes at most for a UTF-16 unit.
    this.#room(11 + 3 * value.length)
    this.#bytes[this.#at++] = tag
    if (value.length < shortText && this.#ascii(value)) return
    const from = this.#at + 1
    this.#close(this.#at, this.#bytes.write(value, from, "utf8"))
  }

  /** A whole number of at least zero; left out when it is zero. */
  uint(tag: number, value: bigint): void {
    if (value === 0n) return
    this.#room(11)
    this.#bytes[this.#at++] = tag
    if (value <= safe) this.#varint(Number(value))
    else this.#longVarint(value)
  }

  bool(tag: number, value: boolean): void {
    this.#room(2)
    this.#bytes[this.#at++] = tag
    this.#bytes[this.#at++] = value ? 1 : 0
  }

  double(tag: number, value: number): void {
    this.#room(9)
    this.#bytes[this.#at] = tag
    this.#bytes.writeDoubleLE(value, this.#at + 1)
    this.#at += 9
  }

  /** Begins a message within this one; `close` gets what it returns. */
  open(tag: number): number {
    this.#room(2)
    this.#bytes[this.#at] = tag
    this.#at += 2
    return this.#at
  }

  close(body: number): void {
    this.#close(body - 1, this.#at - body)
  }

  /** Begins a message of a gRPC body: a byte that says it is not compressed, and its length. */
  openFrame(): number {
    this.#room(5)
    this.#at += 5
    return this.#at
  }

  closeFrame(body: number): void {
    this.#bytes[body - 5] = 0
    this.#bytes.writeUInt32BE(this.#at - body, body - 4)
  }

  /** Puts a length at `at`, where one byte was left for it, before so many bytes, which move on if it needs more. */
  #close(at: number, length: number): void {
    const from = at + 1
    if (length < 0x80) {
      this.#bytes[at] = length
      this.#at = from + length
      return
    }
    const more = length < 0x4000 ? 1 : length < 0x200000 ? 2 : length < 0x10000000 ? 3 : 4
    this.#at = from + length
    this.#room(more)
    this.#bytes.copyWithin(from + more, from, from + length)
    this.#at = at
    this.#varint(length)
    this.#at = from + more + length
  }

  /** Short texts are mostly ASCII, and quicker to copy here than to hand on. */
  #ascii(value: string): boolean {
    const bytes = this.#bytes
    const from = this.#at + 1
    for (let i = 0; i < value.length; i++) {
      const code = value.charCodeAt(i)
      if (code >= 0x80) return false
      bytes[from + i] = code
    }
    bytes[this.#at] = value.length
    this.#at = from + value.length
    return true
  }

  #varint(value: number): void {
    const bytes = this.#bytes
    let rest = value
    while (rest >= 0x80) {
      bytes[this.#at++] = (rest % 0x80) | 0x80
      rest = Math.floor(rest / 0x80)
    }
    bytes[this.#at++] = rest
  }

  #longVarint(value: bigint): void {
    let rest = value
    for (; rest > 127n; rest >>= 7n) this.#bytes[this.#at++] = Number(rest & 127n) | 0x80
    this.#bytes[this.#at++] = Number(rest)
  }

  #room(bytes: number): void {
    if (this.#bytes.length - this.#at >= bytes) return
    const larger = Buffer.allocUnsafeSlow(2 * this.#bytes.length + bytes)
    this.#bytes.copy(larger, 0, 0, this.#at)
    this.#bytes = larger
  }
}

const nothing = Buffer.alloc(0)
const shortText = 48
const safe = BigInt(Number.MAX_SAFE_INTEGER)
