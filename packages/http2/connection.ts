import type { Socket } from "node:net"
import type { ConnectionAdmission } from "./admission.ts"
import { ConnectionMemory } from "./connection-memory.ts"
import type { ConnectionOptions } from "./connection-options.ts"
import { type Earned, floodLimit } from "./flood-limit.ts"
import { ConnectionError, codes, flags, frameTypes, settings, windowBytes } from "./frames.ts"
import { hangUp } from "./hang-up.ts"
import type { Http2Limits } from "./limits.ts"
import type { Holder, Sheddable } from "./memory-budget.ts"
import { Output } from "./output.ts"
import { PeerSettings } from "./peer-settings.ts"
import { FrameReader } from "./reader.ts"
import { StallTimer } from "./stall-timer.ts"
import { Streams } from "./streams.ts"

/** Frames between two checks of the processor time. */
const framesInRowMax = 16
/** Milliseconds for which a connection without streams keeps its header cache. */
const cacheMsMax = 10_000
/** A connection that holds no more than this is not closed to free memory. */
const sparedBytesMax = 1_024

/** The server's side of one HTTP/2 connection (RFC 9113), on an accepted socket. */
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
  readonly #incomplete = new StallTimer()
  readonly #rest = new StallTimer()
  readonly #unread = new StallTimer()
  /** Frames since the last check of the processor time. */
  #framesInRow = 0
  /** Input that waits for processor time; the socket is paused meanwhile. */
  #input: Buffer | undefined
  #isFinished = false
  constructor(socket: Socket, { limits, admission, onStream, onFault, onClose }: ConnectionOptions) {
    this.#socket = socket
    this.#limits = limits
    this.#admission = admission
    this.#onFault = onFault
    this.#onClose = onClose
    const output = new Output(socket, limits.heldBytesMax)
    this.#output = output
    const exceeded = () => this.#fail(codes.enhanceYourCalm)
    const within = (max: number, earned?: Earned) => floodLimit(max, limits.floodWindowMs, exceeded, earned)
    this.#memory = new ConnectionMemory(
      admission,
      output,
      () => this.#reader.heldBytes + this.#streams.headerBlocks.heldBytes + (this.#input?.length ?? 0)
    )
    // gRPC clients send a PING for every burst of data to measure the network, and some a WINDOW_UPDATE for streams that
    // are closed by then: that is no flood.
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
   * Sends GOAWAY with the last stream that is served, so that clients retry later ones elsewhere. Closes after the last
   * answer.
   */
  drain(): void {
    if (this.#streams.isClosed) return
    this.#streams.isClosed = true
    this.#output.goAway(this.#streams.last)
    this.#endIfDone()
  }

  sheddable(now: number, add: (item: Sheddable) => void): void {
    this.#streams.sheddable(now, this.#admission.addressBytes, add)
    this.#memory.sheddable(now, add, () => this.#shed())
  }

  /** Frees the header cache, and closes the connection if it still holds much beside its streams. */
  #shed(): void {
    this.#streams.headerBlocks.clearCache()
    if (this.#memory.account() <= sparedBytesMax) return
    this.#socket.destroy()
    // Released now, not at the close event: until then the budget would shed others as well.
    this.#finish()
    this.#memory.release()
  }

  /** Call at regular intervals: ends whatever takes too long. */
  checkTimeouts(now: number): void {
    if (this.#socket.destroyed) return
    const limits = this.#limits
    this.#memory.sample(now)
    const restMs = this.#rest.ms(this.#streams.size === 0 ? this.#reader.frames : undefined, now)
    if (restMs > cacheMsMax) this.#streams.headerBlocks.clearCache()
    const [incomplete, incompleteMsMax] = this.#incompleteInput()
    if (this.#unread.ms(this.#output.sentWhileWaiting, now) > limits.unreadMsMax) this.#socket.destroy()
    else if (this.#incomplete.ms(incomplete, now) > incompleteMsMax) this.#fail(codes.enhanceYourCalm)
    else if (restMs > limits.sessionIdleMs) this.drain()
    else this.#streams.checkTimeouts(now)
  }

  /** Identifies the input that the peer has not completed, if any, and how many milliseconds it has for that. */
  #incompleteInput(): readonly [what: unknown, msMax: number] {
    const { firstBytesMsMax, headersMsMax, requestMsMax } = this.#limits
    // The peer cannot send while this side does not read.
    if (this.#socket.isPaused()) return [undefined, 0]
    if (!this.#peer.isKnown) return ["greeting", firstBytesMsMax]
    if (this.#streams.block !== undefined) return [this.#streams.block, headersMsMax]
    return [this.#reader.isPartial ? this.#reader.frames : undefined, requestMsMax]
  }

  #arrived(chunk: Buffer): void {
    if (this.#isFinished) return
    this.#memory.arrived(chunk.length)
    // Earlier input comes first.
    if (this.#input !== undefined) this.#wait(Buffer.concat([this.#input, chunk]))
    else if (this.#admission.enter()) this.#read(chunk)
    else this.#wait(chunk)
  }

  /** Keeps input until this peer has processor time again. */
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
    if (input === undefined || this.#isFinished) return
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
      this.#streams.inputEnded()
      this.#output.uncork()
    }
    if (this.#isFinished) return
    if (taken < chunk.length) this.#wait(chunk.subarray(taken))
    else this.#memory.account()
    // A peer that does not read its answers may not send more.
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
        throw new ConnectionError(codes.protocol, "PUSH_PROMISE from a client")
      case frameTypes.priority:
        this.#priority(id, payload)
        break
      default:
        // Unknown frames are ignored (RFC 9113, 5.5), up to the flood limit.
        this.#idled()
    }
  }

  #ping(flag: number, id: number, payload: Buffer): void {
    if (id !== 0) throw new ConnectionError(codes.protocol, "PING on a stream")
    if (payload.length !== 8) throw new ConnectionError(codes.frameSize, "PING has eight bytes")
    this.#pinged()
    if ((flag & flags.ack) === 0) this.#output.pingAck(payload)
  }

  /** Priorities are deprecated (RFC 9113, 5.3): the frame is checked and ignored. */
  #priority(id: number, payload: Buffer): void {
    if (id === 0) throw new ConnectionError(codes.protocol, "PRIORITY without a stream")
    if (payload.length !== 5) this.#streams.refuse(id, codes.frameSize)
    else if ((payload.readUInt32BE(0) & 0x7fffffff) === id) this.#streams.refuse(id, codes.protocol)
    this.#idled()
  }

  #drained(): void {
    if (this.#output.isFull) return
    this.#streams.scheduler.pump()
    this.#streams.parked.beginLater()
    if (this.#input === undefined) this.#socket.resume()
  }

  /** The peer closed its side, and may still read. */
  #ended(): void {
    if (this.#isFinished) return
    this.#streams.finish()
    this.#endIfDone()
  }

  #endIfDone(): void {
    if (this.#streams.isClosed && this.#streams.size === 0) this.#finish()
  }

  /** Ends the connection with an error. */
  #fail(code: number): void {
    if (this.#isFinished) return
    this.#output.goAway(this.#streams.last, code)
    this.#finish(true)
  }

  #closed(): void {
    this.#finish()
    this.#memory.release()
    this.#admission.detach(this)
  }

  #finish(isLost = false): void {
    if (this.#isFinished) return
    this.#isFinished = true
    this.#input = undefined
    this.#reader.close()
    this.#streams.closeAll()
    this.#output.flush()
    const { unreadLingerMs: lingerMs, unreadMsMax } = this.#limits
    hangUp(this.#socket, isLost ? lingerMs : unreadMsMax, lingerMs)
    this.#onClose()
  }
}
