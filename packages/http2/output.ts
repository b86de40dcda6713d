import type { Socket } from "node:net"
import type { Field } from "./fields.ts"
import { type Code, codes, flags, frameBytesMax, frameHeaderBytes, frameTypes } from "./frames.ts"
import { bytesAtMost, HpackEncoder } from "./hpack-encoder.ts"
import { sentBytes } from "./sent-bytes.ts"

/** Frames are gathered in slabs of this size: all frames of one turn of the event loop leave in one write. */
const slabBytes = 64 * 1024
/** The unused rest of a slab goes to the next connection that writes, if it is at least this large. */
const restBytesMin = 8 * 1024
const rests: Array<Buffer> = []
const restsMax = 16

/** Up to this size, bytes that wait on a socket are copied, since a view would keep the whole slab. */
const copiedBytesMax = slabBytes / 4

const nothing = Buffer.alloc(0)

/** Writes the frames of one connection. */
export class Output {
  readonly encoder = new HpackEncoder()
  /** Number of answer frames so far. */
  answers = 0
  readonly #socket: Socket
  readonly #heldBytesMax: number
  /** Present only while frames are gathered: most connections are silent most of the time. */
  #slab: Buffer = nothing
  #to = 0
  /** Unused bytes of the slabs that wait on the socket. */
  #pinnedBytes = 0
  #isCorked = false
  #isScheduled = false
  readonly #isEncrypted: boolean

  constructor(socket: Socket, heldBytesMax: number) {
    this.#socket = socket
    this.#heldBytesMax = heldBytesMax
    this.#isEncrypted = "encrypted" in socket
  }

  /** Memory held for unread bytes. */
  get heldBytes(): number {
    const waiting = this.#socket.writableLength
    if (waiting === 0) this.#pinnedBytes = 0
    return waiting + this.#pinnedBytes
  }

  /** Bytes that the operating system has not taken. */
  get unsentBytes(): number {
    return this.#socket.writableLength + this.#to
  }

  /** Whether the peer reads so slowly that frames which can wait should wait. */
  get isFull(): boolean {
    return this.unsentBytes > this.#heldBytesMax
  }

  /** Bytes sent so far, or undefined when none wait. */
  get sentWhileWaiting(): number | undefined {
    return this.#socket.writableLength === 0 ? undefined : this.sent
  }

  /** Bytes sent so far. */
  get sent(): number {
    return sentBytes(this.#socket)
  }

  /** Holds all frames back until `uncork`. */
  cork(): void {
    this.#isCorked = true
  }

  uncork(): void {
    this.#isCorked = false
    this.flush()
  }

  flush(): void {
    this.#isScheduled = false
    if (this.#to === 0) return
    const socket = this.#socket
    const slab = this.#slab
    const to = this.#to
    this.#slab = nothing
    this.#to = 0
    // The connection has ended its side.
    if (!socket.writable) return
    // On encrypted sockets every write waits, if only for a moment.
    const isCopied = to <= copiedBytesMax && (this.#isEncrypted || socket.writableLength > 0)
    socket.write(isCopied ? copyOf(slab, to) : slab.subarray(0, to))
    if (isCopied) giveBack(slab)
    else if (socket.writableLength === 0) giveBack(slab.subarray(to))
    else this.#pinnedBytes += slab.buffer.byteLength - to
  }

  headers(stream: number, fields: Iterable<Field>, endStream: boolean): void {
    this.answers += 1
    const end = endStream ? flags.endStream : 0
    const most = bytesAtMost(fields)
    if (most > frameBytesMax) {
      this.#longHeaders(stream, fields, end, most)
      return
    }
    this.#reserve(frameHeaderBytes + most)
    const at = this.#to
    const to = this.encoder.encode(fields, this.#slab, at + frameHeaderBytes)
    this.#header(to - at - frameHeaderBytes, frameTypes.headers, flags.endHeaders | end, stream)
    this.#to = to
  }

  /** At most `frameBytesMax` bytes. */
  data(stream: number, bytes: Uint8Array, endStream: boolean): void {
    this.answers += 1
    this.#frame(frameTypes.data, endStream ? flags.endStream : 0, stream, bytes)
  }

  reset(stream: number, code: Code): void {
    this.#integers(frameTypes.reset, 0, stream, code)
  }

  windowUpdate(stream: number, bytes: number): void {
    this.#integers(frameTypes.windowUpdate, 0, stream, bytes)
  }

  goAway(lastStream: number, code: Code = codes.noError): void {
    this.#integers(frameTypes.goAway, 0, 0, lastStream, code)
  }

  settings(values: Iterable<readonly [id: number, value: number]>): void {
    const pairs = [...values]
    const bytes = Buffer.alloc(6 * pairs.length)
    for (const [i, [id, value]] of pairs.entries()) {
      bytes.writeUInt16BE(id, 6 * i)
      bytes.writeUInt32BE(value, 6 * i + 2)
    }
    this.#frame(frameTypes.settings, 0, 0, bytes)
  }

  settingsAck(): void {
    this.#integers(frameTypes.settings, flags.ack, 0)
  }

  pingAck(bytes: Uint8Array): void {
    this.#frame(frameTypes.ping, flags.ack, 0, bytes)
  }

  #integers(type: number, flag: number, stream: number, ...values: ReadonlyArray<number>): void {
    this.#reserve(frameHeaderBytes + 4 * values.length)
    this.#header(4 * values.length, type, flag, stream)
    this.#to += frameHeaderBytes
    for (const value of values) this.#to = this.#slab.writeUInt32BE(value, this.#to)
  }

  #frame(type: number, flag: number, stream: number, bytes: Uint8Array): void {
    this.#reserve(frameHeaderBytes + bytes.length)
    this.#header(bytes.length, type, flag, stream)
    this.#slab.set(bytes, this.#to + frameHeaderBytes)
    this.#to += frameHeaderBytes + bytes.length
  }

  #longHeaders(stream: number, fields: Iterable<Field>, end: number, most: number): void {
    const block = Buffer.allocUnsafe(most)
    const length = this.encoder.encode(fields, block, 0)
    for (let at = 0; at < length; at += frameBytesMax) {
      const to = Math.min(length, at + frameBytesMax)
      const flag = (at === 0 ? end : 0) | (to === length ? flags.endHeaders : 0)
      this.#frame(at === 0 ? frameTypes.headers : frameTypes.continuation, flag, stream, block.subarray(at, to))
    }
  }

  #header(length: number, type: number, flag: number, stream: number): void {
    const slab = this.#slab
    const at = this.#to
    slab[at] = length >> 16
    slab[at + 1] = length >> 8
    slab[at + 2] = length
    slab[at + 3] = type
    slab[at + 4] = flag
    slab.writeUInt32BE(stream, at + 5)
  }

  /** Makes room in the slab, and schedules the flush. */
  #reserve(bytes: number): void {
    if (this.#slab.length - this.#to < bytes) {
      this.flush()
      const rest = rests.pop()
      this.#slab = rest !== undefined && rest.length >= bytes ? rest : Buffer.allocUnsafeSlow(slabBytes)
    }
    if (this.#isCorked || this.#isScheduled) return
    this.#isScheduled = true
    setImmediate(flushOf, this)
  }
}

/** A copy outside of Node's buffer pool, which it would keep alive. */
const copyOf = (slab: Buffer, length: number): Buffer => {
  const copy = Buffer.allocUnsafeSlow(length)
  slab.copy(copy, 0, 0, length)
  return copy
}

const giveBack = (rest: Buffer): void => {
  if (rest.length >= restBytesMin && rests.length < restsMax) rests.push(rest)
}

const flushOf = (output: Output): void => output.flush()
