import type { Socket } from "node:net"
import { allowance } from "./allowance.ts"
import { ConnectionError, codes, flags, frameTypes, settings, windowBytes } from "./frames.ts"
import { hangUp } from "./hang-up.ts"
import type { Holder, Holdings } from "./holdings.ts"
import type { Http2Limits } from "./limits.ts"
import { Output } from "./output.ts"
import { PeerSettings } from "./peer-settings.ts"
import { FrameReader } from "./reader.ts"
import { StallTimer } from "./stall-timer.ts"
import type { Stream } from "./stream.ts"
import { Streams } from "./streams.ts"

export interface ConnectionOptions {
  readonly limits: Http2Limits
  readonly holdings: Holdings
  /** Serves a stream: sets its receiver, and answers. */
  readonly onStream: (stream: Stream) => void
  /** Told of what was thrown by whoever serves a stream, or by this code: neither may end the process. */
  readonly onFault: (cause: unknown) => void
  readonly onClose: () => void
}

/** The server's side of one HTTP/2 connection (RFC 9113), on a socket that somebody else accepted. */
export class Connection implements Holder {
  readonly #socket: Socket
  readonly #limits: Http2Limits
  readonly #holdings: Holdings
  readonly #onFault: (cause: unknown) => void
  readonly #onClose: () => void
  readonly #reader = new FrameReader((type, flag, id, payload) => this.#frame(type, flag, id, payload))
  readonly #output: Output
  readonly #peer: PeerSettings
  readonly #streams: Streams
  readonly #pinged: () => void
  readonly #idled: () => void
  readonly #begun = new StallTimer()
  readonly #rest = new StallTimer()
  readonly #unread = new StallTimer()
  /** Bytes that wait on the socket, when that was last looked at. */
  #unsentBytes = 0
  #isOver = false

  constructor(socket: Socket, { limits, holdings, onStream, onFault, onClose }: ConnectionOptions) {
    this.#socket = socket
    this.#limits = limits
    this.#holdings = holdings
    this.#onFault = onFault
    this.#onClose = onClose
    const output = new Output(socket, limits.heldBytesMax)
    this.#output = output
    const exceeded = () => this.#fail(codes.enhanceYourCalm)
    const within = (max: number, progress?: () => number) => allowance(max, limits.floodWindowMs, exceeded, progress)
    // gRPC clients measure the network with a ping for every burst of data that they get, and some give back the window
    // of streams that are over by then: that is no flood.
    const answers = () => output.answers
    this.#pinged = within(limits.pingsPerWindowMax, answers)
    this.#idled = within(limits.idleFramesPerWindowMax, answers)
    this.#streams = new Streams({
      limits,
      output,
      windowBytes: () => this.#peer.windowBytes,
      onStream,
      onFault,
      onFailed: within(limits.resetsPerWindowMax),
      onIdle: this.#idled,
      onDribble: within(limits.idleFramesPerWindowMax),
      onHeld: (bytes) => holdings.changed(bytes),
      onEmpty: () => this.#endIfDone()
    })
    this.#peer = new PeerSettings({
      output,
      onSettings: within(limits.settingsPerWindowMax),
      onWindow: (change) => this.#streams.grow(change)
    })
    socket
      .on("data", (chunk: Buffer) => this.#read(chunk))
      .on("drain", () => this.#drained())
      .on("end", () => this.#over())
      .on("close", () => this.#closed())
    holdings.holders.add(this)
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

  get heldBytes(): number {
    return this.#streams.heldBytes + this.#unsentBytes
  }

  letGo(isEnough: () => boolean): void {
    this.#streams.letGo(isEnough)
    if (this.#unsentBytes === 0 || isEnough()) return
    this.#socket.destroy()
    // At once, and not when the close is told of: else all others would have to make room for what is there by now.
    this.#unsent(0)
  }

  /** To be called now and then: ends what takes too long. */
  look(now: number): void {
    const limits = this.#limits
    if (this.#socket.destroyed) return
    this.#unsent(this.#socket.writableLength)
    const [begun, begunMsMax] = this.#unfinished()
    if (this.#unread.ms(this.#output.leftOfSome, now) > limits.unreadMsMax) this.#socket.destroy()
    else if (this.#begun.ms(begun, now) > begunMsMax) this.#fail(codes.enhanceYourCalm)
    else if (this.#rest.ms(this.#streams.size === 0 ? this.#reader.frames : undefined, now) > limits.sessionIdleMs)
      this.leave()
    else this.#streams.look(now)
  }

  /** What the peer has begun, if anything, and how long it may take to finish it. */
  #unfinished(): readonly [what: unknown, msMax: number] {
    const { firstBytesMsMax, headersMsMax, requestMsMax } = this.#limits
    // It is not listened to.
    if (this.#socket.isPaused()) return [undefined, 0]
    if (!this.#peer.isKnown) return ["greeting", firstBytesMsMax]
    if (this.#streams.block !== undefined) return [this.#streams.block, headersMsMax]
    return [this.#reader.isWithin ? this.#reader.frames : undefined, requestMsMax]
  }

  #read(chunk: Buffer): void {
    if (this.#isOver) return
    this.#output.cork()
    try {
      this.#reader.read(chunk)
    } catch (error) {
      if (error instanceof ConnectionError) this.#fail(error.code)
      else {
        this.#onFault(error)
        this.#fail(codes.internal)
      }
    } finally {
      this.#streams.paused()
      this.#output.uncork()
    }
    // Who asks without reading the answers has to wait.
    if (this.#output.isFull) this.#socket.pause()
  }

  #frame(type: number, flag: number, id: number, payload: Buffer): void {
    if (this.#streams.block !== undefined && type !== frameTypes.continuation) {
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
        this.#idled()
        break
      case frameTypes.promise:
        throw new ConnectionError(codes.protocol, "a client promises nothing")
      case frameTypes.priority:
        this.#priority(id, payload)
        break
      default:
        // Frames of extensions are ignored (RFC 9113, 5.5), but not without end.
        this.#idled()
    }
  }

  #ping(flag: number, id: number, payload: Buffer): void {
    if (id !== 0) throw new ConnectionError(codes.protocol, "PING on a stream")
    if (payload.length !== 8) throw new ConnectionError(codes.frameSize, "PING has eight bytes")
    this.#pinged()
    if ((flag & flags.ack) === 0) this.#output.pingAck(payload)
  }

  /** Priorities of this kind are a thing of the past (RFC 9113, 5.3), and only looked at. */
  #priority(id: number, payload: Buffer): void {
    if (id === 0) throw new ConnectionError(codes.protocol, "PRIORITY without a stream")
    if (payload.length !== 5) this.#streams.refuse(id, codes.frameSize)
    else if ((payload.readUInt32BE(0) & 0x7fffffff) === id) this.#streams.refuse(id, codes.protocol)
    this.#idled()
  }

  #drained(): void {
    if (this.#output.isFull) return
    this.#streams.pump()
    this.#socket.resume()
  }

  #endIfDone(): void {
    if (this.#streams.isClosed && this.#streams.size === 0) this.#over()
  }

  /** The peer has lost this connection. */
  #fail(code: number): void {
    if (this.#isOver) return
    this.#output.goAway(this.#streams.last, code)
    this.#over(true)
  }

  #unsent(bytes: number): void {
    this.#holdings.changed(bytes - this.#unsentBytes)
    this.#unsentBytes = bytes
  }

  #closed(): void {
    this.#over()
    this.#unsent(0)
    this.#holdings.holders.delete(this)
  }

  #over(isLost = false): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#reader.close()
    this.#streams.closeAll()
    this.#output.flush()
    const { unreadLingerMs, unreadMsMax } = this.#limits
    hangUp(this.#socket, isLost ? unreadLingerMs : unreadMsMax, unreadLingerMs)
    this.#onClose()
  }
}
