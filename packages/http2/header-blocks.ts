import { ConnectionError, codes, flags, frameTypes, unpadded } from "./frames.ts"
import { type HeadLimits, type RequestHead, readHead, readTrailers } from "./head.ts"
import { CompressionError, HpackDecoder } from "./hpack-decoder.ts"

/** Decoded heads that are cached: a client that repeats a request sends the same few bytes every time. */
const cachedHeadsMax = 16
/** Bytes of a block that may be cached, and of its field list. */
const blockBytesMax = 2_048
const listBytesMax = 4_096

const knownBytes = (key: string, { bytes }: RequestHead): number => 512 + key.length + 2 * bytes

export interface Block {
  readonly bytes: Buffer
  /** Whether the stream ends with it. */
  readonly ends: boolean
  /** Even then its fields are decoded, since all blocks of a connection share one HPACK table. */
  readonly isMalformed: boolean
}

/** Assembles header blocks from their frames, decodes them, and caches the heads that recur. */
export class HeaderBlocks {
  readonly #decoder = new HpackDecoder()
  readonly #limits: HeadLimits
  readonly #known = new Map<string, RequestHead>()
  #knownAt = 0
  #knownBytes = 0
  #open: { readonly id: number; readonly block: Block; readonly parts: Array<Buffer>; bytes: number } | undefined

  constructor(limits: HeadLimits) {
    this.#limits = limits
  }

  /** The block whose end has not arrived, if any. */
  get open(): object | undefined {
    return this.#open
  }

  /** Bytes of the cached blocks, and of the incomplete one. */
  get heldBytes(): number {
    return this.#knownBytes + (this.#open?.bytes ?? 0)
  }

  /** Empties the cache. */
  clearCache(): void {
    this.#known.clear()
    this.#knownBytes = 0
  }

  /** Takes a HEADERS or CONTINUATION frame. Returns the block once it is complete. */
  frame(type: number, flag: number, id: number, payload: Buffer): Block | undefined {
    const isWhole = (flag & flags.endHeaders) !== 0
    if (type === frameTypes.headers) {
      if (id === 0) throw new ConnectionError(codes.protocol, "HEADERS without a stream")
      const block = firstPart(flag, id, payload)
      if (isWhole) return block
      // A copy: a view would keep the whole input buffer alive.
      this.#open = { id, block, parts: [Buffer.from(block.bytes)], bytes: block.bytes.length }
      return undefined
    }
    const open = this.#open
    if (open?.id !== id) throw new ConnectionError(codes.protocol, "CONTINUATION without HEADERS")
    open.parts.push(payload)
    open.bytes += payload.length
    // Frames may be empty, so their number is bounded too.
    if (open.bytes > this.#limits.headerBlockBytesMax || open.parts.length > this.#limits.headersMax) {
      throw new ConnectionError(codes.enhanceYourCalm, "a header block of too many frames or bytes")
    }
    if (!isWhole) return undefined
    this.#open = undefined
    return { ...open.block, bytes: Buffer.concat(open.parts) }
  }

  /** The head of a request; undefined when the request is malformed. */
  request(block: Buffer): RequestHead | undefined {
    if (this.#decoder.changes !== this.#knownAt) {
      this.clearCache()
      this.#knownAt = this.#decoder.changes
    }
    if (block.length > blockBytesMax) return this.#read(() => readHead(this.#decoder, block, this.#limits))
    const key = block.toString("latin1")
    const known = this.#known.get(key)
    if (known !== undefined) return known
    const head = this.#read(() => readHead(this.#decoder, block, this.#limits))
    if (head === undefined || head.bytes > listBytesMax || this.#decoder.changes !== this.#knownAt) return head
    if (this.#known.size === cachedHeadsMax) this.#forgetOldest()
    this.#known.set(key, head)
    this.#knownBytes += knownBytes(key, head)
    return head
  }

  #forgetOldest(): void {
    for (const [key, head] of this.#known) {
      this.#known.delete(key)
      this.#knownBytes -= knownBytes(key, head)
      return
    }
  }

  trailers(block: Buffer): boolean {
    return this.#read(() => readTrailers(this.#decoder, block, this.#limits))
  }

  #read<A>(read: () => A): A {
    try {
      return read()
    } catch (error) {
      if (error instanceof CompressionError) throw new ConnectionError(codes.compression, error.message)
      throw error
    }
  }
}

/** The field block fragment of a HEADERS frame, without padding and priority (RFC 9113, 6.2). */
const firstPart = (flag: number, id: number, payload: Buffer): Block => {
  const bytes = unpadded(flag, payload)
  const ends = (flag & flags.endStream) !== 0
  if ((flag & flags.priority) === 0) return { bytes, ends, isMalformed: false }
  if (bytes.length < 5) throw new ConnectionError(codes.frameSize, "a priority that is cut short")
  // A stream that depends on itself is an error of the stream alone (RFC 7540, 5.3.1).
  return { bytes: bytes.subarray(5), ends, isMalformed: (bytes.readUInt32BE(0) & 0x7fffffff) === id }
}
