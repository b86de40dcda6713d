import { ConnectionError, codes, frameBytesMax, frameHeaderBytes, preface } from "./frames.ts"

const nothing = Buffer.alloc(0)

/** Cuts what comes in into the preface and frames. The network may have cut it anywhere. */
export class FrameReader {
  /** Frames so far. */
  frames = 0
  readonly #onFrame: (type: number, flag: number, stream: number, payload: Buffer) => void
  #isGreeted = false
  #isClosed = false
  #isHalted = false
  /** The beginning of what is not complete yet, in a buffer that grows with it: a copy, which keeps nothing else alive. */
  #begun: Buffer = nothing
  #length = 0

  constructor(onFrame: (type: number, flag: number, stream: number, payload: Buffer) => void) {
    this.#onFrame = onFrame
  }

  /** Whether something has begun, and not come to its end. */
  get isWithin(): boolean {
    return this.#length > 0
  }

  /** Bytes that are held of what is not complete. */
  get heldBytes(): number {
    return this.#begun.length
  }

  /** Gives how many bytes it has taken: all of them, unless it was halted. */
  read(chunk: Buffer): number {
    let at = 0
    this.#isHalted = false
    while (this.#length > 0 && !this.#isClosed) {
      const missing = this.#size(this.#begun, 0, this.#length) - this.#length
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

  /** Stops behind the frame that is looked at: what comes after it is to be read later. */
  halt(): void {
    this.#isHalted = true
  }

  /** Nothing that comes from now on is looked at. */
  close(): void {
    this.#isClosed = true
    this.#begun = nothing
    this.#length = 0
  }

  /** Bytes of what begins there, as far as so many of them tell. */
  #size(bytes: Buffer, at: number, length: number): number {
    if (!this.#isGreeted) return preface.length
    if (length < frameHeaderBytes) return frameHeaderBytes
    const size = (bytes[at]! << 16) | (bytes[at + 1]! << 8) | bytes[at + 2]!
    if (size > frameBytesMax) throw new ConnectionError(codes.frameSize, "a frame larger than agreed")
    return frameHeaderBytes + size
  }

  #take(bytes: Buffer, at: number, size: number): void {
    if (!this.#isGreeted) {
      if (preface.compare(bytes, at, at + size) !== 0) throw new ConnectionError(codes.protocol, "no preface")
      this.#isGreeted = true
      return
    }
    this.frames += 1
    const stream = bytes.readUInt32BE(at + 5) & 0x7fffffff
    this.#onFrame(bytes[at + 3]!, bytes[at + 4]!, stream, bytes.subarray(at + frameHeaderBytes, at + size))
  }

  #keep(bytes: Buffer): void {
    const length = this.#length + bytes.length
    if (length > this.#begun.length) {
      const larger = Buffer.allocUnsafe(Math.max(length, 2 * this.#begun.length))
      this.#begun.copy(larger, 0, 0, this.#length)
      this.#begun = larger
    }
    this.#begun.set(bytes, this.#length)
    this.#length = length
  }

  #complete(): void {
    const whole = this.#begun
    const size = this.#length
    this.#begun = nothing
    this.#length = 0
    this.#take(whole, 0, size)
  }
}
