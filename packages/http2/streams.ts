import { ConnectionError, codes, flags, tinyBytes, unpadded, windowTooLarge } from "./frames.ts"
import { contradictsContentLength } from "./head.ts"
import { type Block, HeaderBlocks } from "./header-blocks.ts"
import type { Sheddable } from "./memory-budget.ts"
import type { Output } from "./output.ts"
import { ParkedRequests } from "./parked-requests.ts"
import { RecentlyResetStreams } from "./recently-reset-streams.ts"
import { SendScheduler } from "./send-scheduler.ts"
import { Stream } from "./stream.ts"
import type { StreamHost } from "./stream-host.ts"
import type { StreamsOptions } from "./streams-options.ts"

/** The streams of one connection, and the frames about them (RFC 9113, 5.1 and 6). */
export class Streams implements StreamHost {
  readonly output: Output
  readonly scheduler: SendScheduler
  /** Id of the last stream that was served or refused. */
  last = 0
  /** No new stream is served. */
  isClosed = false
  readonly #options: StreamsOptions
  readonly headerBlocks: HeaderBlocks
  readonly #open = new Map<number, Stream>()
  /** Streams that this side reset lately: frames for them may have been on their way, and are no error. */
  readonly #recentlyReset: RecentlyResetStreams
  /** Requests that have not started, since their client leaves too much unread. */
  readonly parked: ParkedRequests
  /** Bytes held for streams beside those of their slots. */
  #heldBytes = 0
  /** Streams that are open, or whose handlers still run. */
  #slots = 0
  /** Streams whose requests are incomplete after the present input. */
  readonly #incomplete: Array<Stream> = []
  #receiveWindow: number
  #taken = 0

  constructor(options: StreamsOptions) {
    this.output = options.output
    this.scheduler = new SendScheduler(options.output)
    this.#options = options
    this.parked = new ParkedRequests({
      admission: options.admission,
      output: options.output,
      unreadBytesMax: options.limits.heldBytesMax,
      begin: (stream, replay) => {
        this.serve(stream, () => options.onStream(stream))
        if (!stream.closed) this.serve(stream, replay)
      },
      serve: (stream, act) => this.serve(stream, act)
    })
    this.headerBlocks = new HeaderBlocks(options.limits)
    this.#recentlyReset = new RecentlyResetStreams(options.limits.streamsPerSessionMax)
    this.#receiveWindow = options.limits.sessionWindowBytes
  }

  get size(): number {
    return this.#open.size
  }

  /** The incomplete header block, if any: only its rest may follow. */
  get block(): object | undefined {
    return this.headerBlocks.open
  }

  charge(bytes: number, answerBytes: number): void {
    this.#heldBytes += bytes
    if (bytes !== 0) this.#options.admission.charge(bytes)
    if (answerBytes !== 0) this.parked.answersChanged(answerBytes)
  }

  /** Adds the streams that wait for their client. */
  sheddable(now: number, addressBytes: number, add: (item: Sheddable) => void): void {
    for (const stream of this.#open.values()) {
      if (stream.waitsForClient) add(stream.sheddable(now, addressBytes))
    }
  }

  took(bytes: number): void {
    this.#taken += bytes
    if (this.#taken * 2 < this.#options.limits.sessionWindowBytes) return
    this.output.windowUpdate(0, this.#taken)
    this.#receiveWindow += this.#taken
    this.#taken = 0
  }

  answered(stream: Stream): void {
    // A request that was answered early would otherwise stay open until its client has sent all of it (RFC 9113, 8.1).
    clearTimeout(stream.timer)
    stream.timer = setTimeout(() => stream.reset(codes.noError), this.#options.limits.unreadLingerMs)
  }

  closed(stream: Stream, isReset: boolean): void {
    this.#open.delete(stream.id)
    this.scheduler.leave(stream)
    this.parked.delete(stream)
    if (isReset) this.#recentlyReset.add(stream.id)
    // Reset by either side, for any reason: work was started whose result is not wanted.
    if (!stream.answered) this.#options.onFailed()
    if (this.#open.size === 0) this.#options.onEmpty()
  }

  freed(stream: Stream): void {
    this.#slots -= 1
    this.#options.admission.end(stream.slotBytes)
  }

  /** The peer closed its side: complete requests are answered while their windows last, all others end. */
  finish(): void {
    this.isClosed = this.scheduler.hasPeerEnded = true
    for (const stream of this.#open.values()) {
      if (!stream.ended || stream.isOpenEnded) stream.close(codes.cancel, false)
      else stream.pump()
    }
  }

  closeAll(): void {
    this.isClosed = true
    for (const stream of this.#open.values()) stream.close(codes.cancel, false)
  }

  serve(stream: Stream, act: () => void): void {
    try {
      act()
    } catch (cause) {
      this.#options.onFault(cause)
      stream.reset(codes.internal)
    }
  }

  /** The peer changed the initial send window, which applies to every stream. */
  grow(bytes: number): void {
    for (const stream of this.#open.values()) if (!stream.grow(bytes)) throw windowTooLarge
  }

  /** Resets streams whose complete answers are not read, and refuses requests that wait too long. */
  checkTimeouts(now: number): void {
    const { requestWaitMsMax, unreadMsMax } = this.#options.limits
    this.parked.refuseLate(now, requestWaitMsMax)
    if (this.#heldBytes === 0) return
    for (const stream of this.#open.values()) {
      stream.sample(now)
      if (stream.unreadMs(now) > unreadMsMax) stream.reset(codes.cancel)
    }
  }

  /** Call after each piece of input: starts the timers of incomplete requests. */
  inputEnded(): void {
    if (this.#incomplete.length === 0) return
    for (const stream of this.#incomplete) stream.limitRequestTime(this.#options.limits.requestMsMax)
    this.#incomplete.length = 0
  }

  data(flag: number, id: number, payload: Buffer): void {
    if (id === 0 || this.#isIdle(id)) throw new ConnectionError(codes.protocol, "DATA on no stream")
    const body = unpadded(flag, payload)
    this.#receiveWindow -= payload.length
    if (this.#receiveWindow < 0) throw new ConnectionError(codes.flowControl, "more than the window")
    const stream = this.#open.get(id)
    if (stream === undefined || stream.ended) {
      this.took(payload.length)
      // Frames that were on their way at the time of our RST_STREAM or GOAWAY are no error.
      if (!this.#recentlyReset.has(id) && id <= this.last) this.refuse(id, codes.streamClosed)
      this.#options.onIdle()
      return
    }
    stream.arrived(payload.length)
    stream.receivedBytes += body.length
    const ends = (flag & flags.endStream) !== 0
    const problem =
      stream.receiveWindow < 0
        ? codes.flowControl
        : contradictsContentLength(stream.head, stream.receivedBytes, ends)
          ? codes.protocol
          : undefined
    if (problem !== undefined) {
      stream.reset(problem)
      return
    }
    stream.taken(payload.length - body.length)
    if (stream.answered) stream.taken(body.length)
    else if (body.length > 0) this.serve(stream, () => stream.receiver.onData(body, ends))
    if (!ends) {
      // A frame costs more than so few bytes are worth.
      if (body.length < tinyBytes) this.#options.onIdle()
    } else if (!stream.closed) stream.complete()
  }

  headers(type: number, flag: number, id: number, payload: Buffer): void {
    const block = this.headerBlocks.frame(type, flag, id, payload)
    if (block === undefined) return
    const stream = this.#open.get(id)
    if (stream === undefined && id > this.last) {
      this.#begin(id, block)
      return
    }
    const isGood = this.headerBlocks.trailers(block.bytes) && !block.isMalformed
    // The frame was on its way when the stream was reset.
    if (stream === undefined && this.#recentlyReset.has(id)) {
      this.#options.onIdle()
      return
    }
    if (stream === undefined || stream.ended) {
      throw new ConnectionError(codes.streamClosed, "HEADERS on a closed stream")
    }
    if (!isGood || !block.ends || contradictsContentLength(stream.head, stream.receivedBytes, true))
      stream.reset(codes.protocol)
    else stream.complete()
  }

  reset(id: number, payload: Buffer): void {
    if (id === 0 || this.#isIdle(id)) throw new ConnectionError(codes.protocol, "RST_STREAM on no stream")
    if (payload.length !== 4) throw new ConnectionError(codes.frameSize, "RST_STREAM has four bytes")
    const stream = this.#open.get(id)
    if (stream === undefined) this.#options.onIdle()
    else stream.close(payload.readUInt32BE(0), false)
  }

  windowUpdate(id: number, payload: Buffer): void {
    if (payload.length !== 4) throw new ConnectionError(codes.frameSize, "WINDOW_UPDATE has four bytes")
    if (this.#isIdle(id)) throw new ConnectionError(codes.protocol, "WINDOW_UPDATE on no stream")
    const bytes = payload.readUInt32BE(0) & 0x7fffffff
    this.#options.onIdle()
    // Each may cost a DATA frame of a few bytes, which would earn allowances as an answer (CVE-2019-9511).
    if (bytes < tinyBytes) this.#options.onDribble()
    const stream = this.#open.get(id)
    if (stream !== undefined) {
      if (bytes === 0) stream.reset(codes.protocol)
      else if (!stream.grow(bytes)) stream.reset(codes.flowControl)
      return
    }
    if (id !== 0) return
    if (bytes === 0) throw new ConnectionError(codes.protocol, "WINDOW_UPDATE with an increment of 0")
    this.scheduler.grow(bytes)
  }

  /** Resets a stream, be it open or not. */
  refuse(id: number, code: number): void {
    const stream = this.#open.get(id)
    if (stream !== undefined) {
      stream.reset(code)
      return
    }
    this.output.reset(id, code)
    this.#recentlyReset.add(id)
  }

  #begin(id: number, { bytes, ends, isMalformed }: Block): void {
    if (id % 2 === 0) throw new ConnectionError(codes.protocol, "the id of a client's stream must be odd")
    const head = this.headerBlocks.request(bytes)
    // After GOAWAY no new stream is served; the client knows that it may retry elsewhere.
    if (this.isClosed) {
      this.#options.onIdle()
      return
    }
    this.last = id
    const { limits, admission, onFailed, onStream, windowBytes: sendWindow } = this.#options
    const isFull = this.#slots >= limits.streamsPerSessionMax
    if (isFull || isMalformed || head === undefined || (ends && (head.contentLength ?? 0) > 0)) {
      this.refuse(id, isFull ? codes.refused : codes.protocol)
      onFailed()
      return
    }
    const stream = new Stream(this, id, head, {
      ended: ends,
      windowBytes: limits.streamWindowBytes,
      sendWindow: sendWindow()
    })
    if (admission.begin(stream.slotBytes) !== undefined) {
      // No work was done, so the client may retry (RFC 9113, 8.7).
      this.refuse(id, codes.refused)
      return
    }
    this.#slots += 1
    this.#open.set(id, stream)
    if (!ends) this.#incomplete.push(stream)
    if (this.parked.mustWait) {
      this.parked.park(stream, ends)
      return
    }
    this.serve(stream, () => onStream(stream))
    if (ends && !stream.closed) this.serve(stream, () => stream.receiver.onEnd())
  }

  /** Whether a stream is idle (RFC 9113, 5.1). Even ids would be the server's, which opens none. 0 is the connection. */
  #isIdle(id: number): boolean {
    return (id > this.last && !this.isClosed) || (id !== 0 && id % 2 === 0)
  }
}
