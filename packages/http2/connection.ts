import type { Socket } from "node:net"
import type { ConnectionAdmission } from "./admission.ts"
import { allowance, type Earned } from "./allowance.ts"
import { ConnectionMemory } from "./connection-memory.ts"
import type { ConnectionOptions } from "./connection-options.ts"
import { ConnectionError, codes, flags, frameTypes, settings, windowBytes } from "./frames.ts"
import { hangUp } from "./hang-up.ts"
import type { Http2Limits } from "./limits.ts"
import type { Holder, Sheddable } from "./memory-budget.ts"
import { Output } from "./output.ts"
import { PeerSettings } from "./peer-settings.ts"
import { FrameReader } from "./reader.ts"
import { StallTimer } from "./stall-timer.ts"
import { Streams } from "./streams.ts"

/** How many frames are looked at before it is asked whether there is time for more. */
const framesInRowMax = 16
/** For how long a connection without streams keeps what makes the next request quicker. */
const cacheMsMax = 10_000
/** One for which no more is held than this is not cut to make room. */
const sparedBytesMax = 1_024

/** The server's side of one HTTP/2 connection (RFC 9113), on a socket that somebody else accepted. */
export class Connection implements Holder {
  readonly #socket: Socket
  readonly #limits: Http2Limits
  readonly #admission: ConnectionAdmission
  readonly #onFault: (cause: unknown) => void
  readonly #onClose: () => void
  readonly #reader = new FrameReader((type, flag, id, payload) => this.#frame(type, flag, id, payload))
  readonly #output: Output
  readonly #peer: PeerSettings
  readonly #streams: Streams
  readonly #memory: ConnectionMemory
  readonly #pinged: () => void
  readonly #idled: () => void
  readonly #begun = new StallTimer()
  readonly #rest = new StallTimer()
  readonly #unread = new StallTimer()
  /** Frames since it was last asked whether there is time for more. */
  #framesInRow = 0
  /** Input that waits for its turn, the socket being paused meanwhile. */
  #input: Buffer | undefined
  #isOver = false
  constructor(socket: Socket, { limits, admission, onStream, onFault, onClose }: ConnectionOptions) {
    this.#socket = socket
    this.#limits = limits
    this.#admission = admission
    this.#onFault = onFault
    this.#onClose = onClose
    const output = new Output(socket, limits.heldBytesMax)
    this.#output = output
    const exceeded = () => this.#fail(codes.enhanceYourCalm)
    const within = (max: number, earned?: Earned) => allowance(max, limits.floodWindowMs, exceeded, earned)
    this.#memory = new ConnectionMemory(
      admission,
      output,
      () => this.#reader.heldBytes + this.#streams.heads.heldBytes + (this.#input?.length ?? 0)
    )
    // gRPC clients measure the network with a ping for every burst of data that they get, and some give back the window
    // of streams that are over by then: that is no flood.
    const answers = () => output.answers
    this.#pinged = within(limits.pingsPerWindowMax, { answers, perAnswer: limits.pingsPerAnswerMax })
    this.#idled = within(limits.idleFramesPerWindowMax, { answers, perAnswer: limits.idleFramesPerAnswerMax })
    this.#streams = new Streams({
      limits,
      output,
      admission,
      windowBytes: () => this.#peer.windowBytes,
      onStream,
      onFault,
      onFailed: within(limits.resetsPerWindowMax),
      onIdle: this.#idled,
      onDribble: within(limits.idleFramesPerWindowMax),
      onEmpty: () => this.#endIfDone()
    })
    this.#peer = new PeerSettings({
      output,
      onSettings: within(limits.settingsPerWindowMax),
      onWindow: (change) => this.#streams.grow(change)
    })
    socket
      .on("data", (chunk: Buffer) => this.#arrived(chunk))
      .on("drain", () => this.#drained())
      .on("end", () => this.#ended())
      .on("close", () => this.#closed())
    admission.attach(this)
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

  sheddable(now: number, add: (item: Sheddable) => void): void {
    this.#streams.sheddable(now, this.#admission.addressBytes, add)
    this.#memory.sheddable(now, add, () => this.#shed())
  }

  /** Gives up what is held beside streams, which is the whole connection if it is more than what can be made again. */
  #shed(): void {
    this.#streams.heads.forget()
    if (this.#memory.account() <= sparedBytesMax) return
    this.#socket.destroy()
    // At once, and not when the close is told of: else all others would have to make room for what is there by now.
    this.#over()
    this.#memory.release()
  }

  /** To be called now and then: ends what takes too long. */
  look(now: number): void {
    if (this.#socket.destroyed) return
    const limits = this.#limits
    this.#memory.sample(now)
    const restMs = this.#rest.ms(this.#streams.size === 0 ? this.#reader.frames : undefined, now)
    if (restMs > cacheMsMax) this.#streams.heads.forget()
    const [begun, begunMsMax] = this.#unfinished()
    if (this.#unread.ms(this.#output.leftOfSome, now) > limits.unreadMsMax) this.#socket.destroy()
    else if (this.#begun.ms(begun, now) > begunMsMax) this.#fail(codes.enhanceYourCalm)
    else if (restMs > limits.sessionIdleMs) this.leave()
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

  #arrived(chunk: Buffer): void {
    if (this.#isOver) return
    this.#memory.arrived(chunk.length)
    // What came before is first, whoever let the socket read on.
    if (this.#input !== undefined) this.#wait(Buffer.concat([this.#input, chunk]))
    else if (this.#admission.enter()) this.#read(chunk)
    else this.#wait(chunk)
  }

  /** Goes on with what has come when it is this peer's turn. */
  #wait(input: Buffer): void {
    const isWaiting = this.#input !== undefined
    this.#input = input
    this.#memory.account()
    this.#socket.pause()
    if (!isWaiting) this.#admission.later(() => this.#goOn())
  }

  #goOn(): void {
    const input = this.#input
    this.#input = undefined
    if (input === undefined || this.#isOver) return
    this.#read(input)
    if (this.#input === undefined && !this.#output.isFull) this.#socket.resume()
  }

  #read(chunk: Buffer): void {
    let taken = chunk.length
    this.#output.cork()
    try {
      taken = this.#reader.read(chunk)
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
    if (this.#isOver) return
    if (taken < chunk.length) this.#wait(chunk.subarray(taken))
    else this.#memory.account()
    // Who asks without reading the answers has to wait.
    if (this.#output.isFull) this.#socket.pause()
  }

  #frame(type: number, flag: number, id: number, payload: Buffer): void {
    if (++this.#framesInRow >= framesInRowMax) {
      this.#framesInRow = 0
      if (!this.#admission.hasTime()) this.#reader.halt()
    }
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
    this.#streams.line.pump()
    this.#streams.parked.beginLater()
    if (this.#input === undefined) this.#socket.resume()
  }

  /** The peer says nothing more, and may still listen. */
  #ended(): void {
    if (this.#isOver) return
    this.#streams.finish()
    this.#endIfDone()
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

  #closed(): void {
    this.#over()
    this.#memory.release()
    this.#admission.detach(this)
  }

  #over(isLost = false): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#input = undefined
    this.#reader.close()
    this.#streams.closeAll()
    this.#output.flush()
    const { unreadLingerMs: lingerMs, unreadMsMax } = this.#limits
    hangUp(this.#socket, isLost ? lingerMs : unreadMsMax, lingerMs)
    this.#onClose()
  }
}
