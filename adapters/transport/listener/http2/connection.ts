import type { Socket } from "node:net"
import type { ListenerLimits } from "../../../../application/limits.ts"
import { allowance } from "./allowance.ts"
import {
  ConnectionError,
  codes,
  flags,
  frameBytesMax,
  frameHeaderBytes,
  frameTypes,
  preface,
  settings,
  windowBytes
} from "./frames.ts"
import { Output } from "./output.ts"
import { PeerSettings } from "./peer-settings.ts"
import type { Stream } from "./stream.ts"
import { Streams } from "./streams.ts"

export interface ConnectionOptions {
  readonly limits: ListenerLimits
  /** Serves a stream: sets its receiver, and answers. */
  readonly onStream: (stream: Stream) => void
  readonly onClose: () => void
}

const nothing = Buffer.alloc(0)

/** The server's side of one HTTP/2 connection (RFC 9113), on a socket that somebody else accepted. */
export class Connection {
  readonly #socket: Socket
  readonly #limits: ListenerLimits
  readonly #onClose: () => void
  readonly #output: Output
  readonly #peer: PeerSettings
  readonly #streams: Streams
  readonly #pings
  readonly #idle
  #answersAtPing = 0
  /** Bytes of a frame that is not complete. */
  #rest: Buffer = nothing
  #isGreeted = false
  #isOver = false

  constructor(socket: Socket, { limits, onStream, onClose }: ConnectionOptions) {
    this.#socket = socket
    this.#limits = limits
    this.#onClose = onClose
    const output = new Output(socket, limits.heldBytesMax)
    this.#output = output
    const within = (max: number) => allowance(max, limits.floodWindowMs, () => this.#fail(codes.enhanceYourCalm))
    this.#pings = within(limits.pingsPerWindowMax)
    this.#idle = within(limits.idleFramesPerWindowMax)
    this.#streams = new Streams({
      limits,
      output,
      windowBytes: () => this.#peer.windowBytes,
      onStream,
      onFailed: within(limits.resetsPerWindowMax).use,
      onIdle: this.#idle.use,
      onEmpty: () => this.#endIfDone()
    })
    this.#peer = new PeerSettings({
      output,
      onSettings: within(limits.settingsPerWindowMax).use,
      onWindow: (change) => this.#streams.grow(change)
    })
    socket.setTimeout(limits.sessionIdleMs, () => {
      if (this.#streams.size === 0) this.leave()
    })
    socket
      .on("data", (chunk: Buffer) => this.#read(chunk))
      .on("drain", () => this.#drained())
      .on("end", () => this.#over())
      .on("close", () => this.#over())
    output.settings([
      [settings.maxConcurrentStreams, limits.streamsPerSessionMax],
      [settings.initialWindowSize, limits.streamWindowBytes],
      [settings.maxHeaderListSize, limits.headerBytesMax]
    ])
    output.windowUpdate(0, limits.sessionWindowBytes - windowBytes)
    output.flush()
  }

  /**
   * Serves what was begun, and nothing new: one GOAWAY names the last stream that is served, so that clients may send
   * those above it elsewhere. Closes behind the last.
   */
  leave(): void {
    if (this.#streams.isClosed) return
    this.#streams.isClosed = true
    this.#output.goAway(this.#streams.last)
    this.#endIfDone()
  }

  #read(chunk: Buffer): void {
    if (this.#isOver) return
    this.#output.cork()
    try {
      this.#frames(this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]))
    } catch (error) {
      if (!(error instanceof ConnectionError)) throw error
      this.#fail(error.code)
    } finally {
      this.#streams.timeBegun()
      this.#output.uncork()
    }
    // Who asks without reading the answers has to wait.
    if (this.#output.isFull) this.#socket.pause()
  }

  #frames(bytes: Buffer): void {
    let at = this.#isGreeted ? 0 : this.#greeted(bytes)
    while (this.#isGreeted && !this.#isOver && bytes.length - at >= frameHeaderBytes) {
      const length = bytes.readUIntBE(at, 3)
      if (length > frameBytesMax) throw new ConnectionError(codes.frameSize, "a frame larger than agreed")
      const body = at + frameHeaderBytes
      if (body + length > bytes.length) break
      const stream = bytes.readUInt32BE(at + 5) & 0x7fffffff
      this.#frame(bytes[at + 3]!, bytes[at + 4]!, stream, bytes.subarray(body, body + length))
      at = body + length
    }
    // A copy: a few bytes must not keep all of what came with them.
    this.#rest = at === bytes.length ? nothing : Buffer.from(bytes.subarray(at))
  }

  /** Where the frames begin. */
  #greeted(bytes: Buffer): number {
    const length = Math.min(bytes.length, preface.length)
    if (preface.compare(bytes, 0, length, 0, length) !== 0) throw new ConnectionError(codes.protocol, "no preface")
    this.#isGreeted = length === preface.length
    return this.#isGreeted ? length : 0
  }

  #frame(type: number, flag: number, id: number, payload: Buffer): void {
    if (this.#streams.awaitsHeaders && type !== frameTypes.continuation) {
      throw new ConnectionError(codes.protocol, "a frame within a header block")
    }
    if (!this.#peer.isKnown && type !== frameTypes.settings) {
      throw new ConnectionError(codes.protocol, "the first frame is not SETTINGS")
    }
    const streams = this.#streams
    switch (type) {
      case frameTypes.data:
        streams.data(flag, id, payload)
        break
      case frameTypes.headers:
      case frameTypes.continuation:
        streams.headers(type, flag, id, payload)
        break
      case frameTypes.reset:
        streams.reset(id, payload)
        break
      case frameTypes.windowUpdate:
        streams.windowUpdate(id, payload)
        break
      case frameTypes.settings:
        this.#peer.frame(flag, id, payload)
        break
      case frameTypes.ping:
        this.#ping(flag, id, payload)
        break
      case frameTypes.goAway:
        if (id !== 0) throw new ConnectionError(codes.protocol, "GOAWAY on a stream")
        if (payload.length < 8) throw new ConnectionError(codes.frameSize, "GOAWAY is cut short")
        break
      case frameTypes.promise:
        throw new ConnectionError(codes.protocol, "a client promises nothing")
      case frameTypes.priority:
        this.#priority(id, payload)
        break
      default:
        // Frames of extensions are ignored (RFC 9113, 5.5), but not without end.
        this.#idle.use()
    }
  }

  #ping(flag: number, id: number, payload: Buffer): void {
    if (id !== 0) throw new ConnectionError(codes.protocol, "PING on a stream")
    if (payload.length !== 8) throw new ConnectionError(codes.frameSize, "PING has eight bytes")
    // gRPC clients measure the network with a ping for every burst of data that they get: that is no flood.
    const { answers } = this.#output
    if (answers !== this.#answersAtPing) this.#pings.renew()
    this.#answersAtPing = answers
    this.#pings.use()
    if ((flag & flags.ack) === 0) this.#output.pingAck(payload)
  }

  /** Priorities of this kind are a thing of the past (RFC 9113, 5.3), and only looked at. */
  #priority(id: number, payload: Buffer): void {
    if (id === 0) throw new ConnectionError(codes.protocol, "PRIORITY without a stream")
    if (payload.length !== 5) this.#streams.refuse(id, codes.frameSize)
    else if ((payload.readUInt32BE(0) & 0x7fffffff) === id) this.#streams.refuse(id, codes.protocol)
    this.#idle.use()
  }

  #drained(): void {
    if (this.#output.isFull) return
    this.#streams.pump()
    this.#socket.resume()
  }

  #endIfDone(): void {
    if (!this.#streams.isClosed || this.#isOver || this.#streams.size > 0) return
    this.#output.flush()
    this.#hangUp()
  }

  /** The peer has lost this connection. */
  #fail(code: number): void {
    if (this.#isOver) return
    this.#output.goAway(this.#streams.last, code)
    this.#over()
  }

  /** Says that nothing more comes. A peer that neither reads that nor closes its side is not waited for. */
  #hangUp(): void {
    this.#socket.end()
    const timer = setTimeout(() => this.#socket.destroy(), this.#limits.unreadLingerMs)
    this.#socket.once("close", () => clearTimeout(timer))
  }

  #over(): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#rest = nothing
    this.#streams.closeAll()
    this.#output.flush()
    if (!this.#socket.destroyed) this.#hangUp()
    // What still comes is thrown away, so that the end of it is seen.
    this.#socket.resume()
    this.#onClose()
  }
}
