import { ConnectionError, codes, frameBytesMax, frameHeaderBytes, preface } from "./frames.ts"

const nothing = Buffer.alloc(0)

/** Splits input into the preface and frames, wherever the network has cut it. */
export class FrameReader {
  /** Number of frames so far. */
  frames = 0
  readonly #onFrame: (type: number, flag: number, stream: number, payload: Buffer) => void
  #isGreeted = false
  #isClosed = false
  #isHalted = false
  /** The incomplete frame, in a buffer that grows with it: a copy, since a view would keep the input alive. */
  #partial: Buffer = nothing
  #length = 0

  constructor(onFrame: (type: number, flag: number, stream: number, payload: Buffer) => void) {
    this.#onFrame = onFrame
  }

  /** Whether a frame is incomplete. */
  get isPartial(): boolean {
    return this.#length > 0
  }

  /** Bytes held for the incomplete frame. */
  get heldBytes(): number {
    return this.#partial.length
  }

  /** Returns how many bytes were taken: all, unless `halt` was called. */
  read(chunk: Buffer): number {
    let at = 0
    this.#isHalted = false
    while (this.#length > 0 && !this.#isClosed) {
      const missing = this.#size(this.#partial, 0, this.#length) - this.#length
      if (missing > chunk.length - at) {
        this.#keep(chunk.subarray(at))
        return chunk.length
      }
      if (missing > 0) this.#keep(chunk.subarray(at, at + missing))
      else this.#complete()
      at += missing
    }
    while (at < chunk.length && !this.#isClosed && !this.#isHalted) {
      const size = this.#size(chunk, at, chunk.length - at)
      if (size > chunk.length - at) {
        this.#keep(chunk.subarray(at))
        return chunk.length
      }
      this.#take(chunk, at, size)
      at += size
    }
    return this.#isClosed ? chunk.length : at
  }

  /** Stops after the present frame; the caller reads the rest later. */
  halt(): void {
    this.#isHalted = true
  }

  /** Ignores all further input. */
  close(): void {
    this.#isClosed = true
    this.#partial = nothing
    this.#length = 0
  }

  /** Size of the preface or frame that starts at `at`; while its header is incomplete, that of the header. */
  #size(bytes: Buffer, at: number, length: number): number {
    if (!this.#isGreeted) return preface.length
    if (length < frameHeaderBytes) return frameHeaderBytes
    const size = (bytes[at]! << 16) | (bytes[at + 1]! << 8) | bytes[at + 2]!
    if (size > frameBytesMax) throw new ConnectionError(codes.frameSize, "a frame larger than agreed")
    return frameHeaderBytes + size
  }

  #take(bytes: Buffer, at: number, size: number): void {
    if (!this.#isGreeted) {
      if (preface.compare(bytes, at, at + size) !== 0)
        throw new ConnectionError(codes.protocol, "the connection preface is wrong")
      this.#isGreeted = true
      return
    }
    this.frames += 1
    const stream = bytes.readUInt32BE(at + 5) & 0x7fffffff
    this.#onFrame(bytes[at + 3]!, bytes[at + 4]!, stream, bytes.subarray(at + frameHeaderBytes, at + size))
  }

  #keep(bytes: Buffer): void {
    const length = this.#length + bytes.length
    if (length > this.#partial.length) {
      const larger = Buffer.allocUnsafe(Math.max(length, 2 * this.#partial.length))
      this.#partial.copy(larger, 0, 0, this.#length)
      this.#partial = larger
    }
    this.#partial.set(bytes, this.#length)
    this.#length = length
  }

  #complete(): void {
    const whole = this.#partial
    const size = this.#length
    this.#partial = nothing
    this.#length = 0
    this.#take(whole, 0, size)
  }
}
