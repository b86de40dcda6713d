import type { Carrier } from "./carrier.ts"
import { ConnectionError, codes, flags, tinyBytes, unpadded, windowTooLarge } from "./frames.ts"
import { misstates } from "./head.ts"
import { type Block, Heads } from "./heads.ts"
import type { Sheddable } from "./memory-budget.ts"
import type { Output } from "./output.ts"
import { ParkedRequests } from "./parked-requests.ts"
import { Recent } from "./recent.ts"
import { SendLine } from "./send-line.ts"
import { Stream } from "./stream.ts"
import type { StreamsOptions } from "./streams-options.ts"

/** The streams of one connection, and the frames about them (RFC 9113, 5.1 and 6). */
export class Streams implements Carrier {
  readonly output: Output
  readonly line: SendLine
  /** The last stream that was served, or refused. */
  last = 0
  /** No stream is served any more that has not begun yet. */
  isClosed = false
  readonly #around: StreamsOptions
  readonly heads: Heads
  readonly #open = new Map<number, Stream>()
  /** Those that we broke off, the latest of them: what their clients had sent by then is no mistake of theirs. */
  readonly #broken: Recent
  /** Those that have not begun, since their client leaves too much unread. */
  readonly parked: ParkedRequests
  /** Bytes for streams beside what their slots take. */
  #heldBytes = 0
  /** Streams that are open, or closed while something still works on them. */
  #slots = 0
  /** Those whose requests did not come in one piece. */
  readonly #begun: Array<Stream> = []
  #receiveWindow: number
  #taken = 0

  constructor(around: StreamsOptions) {
    this.output = around.output
    this.line = new SendLine(around.output)
    this.#around = around
    this.parked = new ParkedRequests({
      admission: around.admission,
      output: around.output,
      unreadBytesMax: around.limits.heldBytesMax,
      begin: (stream, replay) => {
        this.serve(stream, () => around.onStream(stream))
        if (!stream.closed) this.serve(stream, replay)
      },
      serve: (stream, act) => this.serve(stream, act)
    })
    this.heads = new Heads(around.limits)
    this.#broken = new Recent(around.limits.streamsPerSessionMax)
    this.#receiveWindow = around.limits.sessionWindowBytes
  }

  get size(): number {
    return this.#open.size
  }

  /** The header block that has begun: nothing but the rest of it may come. */
  get block(): object | undefined {
    return this.heads.open
  }

  charge(bytes: number, answerBytes: number): void {
    this.#heldBytes += bytes
    if (bytes !== 0) this.#around.admission.charge(bytes)
    if (answerBytes !== 0) this.parked.answersChanged(answerBytes)
  }

  /** Adds those that wait for their clients. */
  sheddable(now: number, addressBytes: number, add: (item: Sheddable) => void): void {
    for (const stream of this.#open.values()) {
      if (stream.waitsForClient) add(stream.sheddable(now, addressBytes))
    }
  }

  took(bytes: number): void {
    this.#taken += bytes
    if (this.#taken * 2 < this.#around.limits.sessionWindowBytes) return
    this.output.windowUpdate(0, this.#taken)
    this.#receiveWindow += this.#taken
    this.#taken = 0
  }

  answered(stream: Stream): void {
    // Else a request that was answered early would stay open until its client has sent all of it (RFC 9113, 8.1).
    clearTimeout(stream.timer)
    stream.timer = setTimeout(() => stream.reset(codes.noError), this.#around.limits.unreadLingerMs)
  }

  closed(stream: Stream, isReset: boolean): void {
    this.#open.delete(stream.id)
    this.line.leave(stream)
    this.parked.delete(stream)
    if (isReset) this.#broken.add(stream.id)
    // Whoever broke it off, and however it was called: work was begun, and nobody waits for its end.
    if (!stream.answered) this.#around.onFailed()
    if (this.#open.size === 0) this.#around.onEmpty()
  }

  freed(stream: Stream): void {
    this.#slots -= 1
    this.#around.admission.end(stream.slotBytes)
  }

  /** The peer sends nothing more: complete requests are answered, as far as its windows allow; all others end. */
  finish(): void {
    this.isClosed = this.line.isSilent = true
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
      this.#around.onFault(cause)
      stream.reset(codes.internal)
    }
  }

  /** The peer changed what may be sent on every stream. */
  grow(bytes: number): void {
    for (const stream of this.#open.values()) if (!stream.grow(bytes)) throw windowTooLarge
  }

  /** Ends answers that are complete, and of which their clients take nothing. */
  look(now: number): void {
    const { requestWaitMsMax, unreadMsMax } = this.#around.limits
    this.parked.refuseLate(now, requestWaitMsMax)
    if (this.#heldBytes === 0) return
    for (const stream of this.#open.values()) {
      stream.sample(now)
      if (stream.unreadMs(now) > unreadMsMax) stream.reset(codes.cancel)
    }
  }

  /** After a piece of input: it may have ended in the middle of requests. */
  paused(): void {
    if (this.#begun.length === 0) return
    for (const stream of this.#begun) stream.waitsForRest(this.#around.limits.requestMsMax)
    this.#begun.length = 0
  }

  data(flag: number, id: number, payload: Buffer): void {
    if (id === 0 || this.#isIdle(id)) throw new ConnectionError(codes.protocol, "DATA on no stream")
    const body = unpadded(flag, payload)
    this.#receiveWindow -= payload.length
    if (this.#receiveWindow < 0) throw new ConnectionError(codes.flowControl, "more than the window")
    const stream = this.#open.get(id)
    if (stream === undefined || stream.ended) {
      this.took(payload.length)
      // What was on its way when we broke the stream off, or said that it would not be served, is no mistake.
      if (!this.#broken.has(id) && id <= this.last) this.refuse(id, codes.streamClosed)
      this.#around.onIdle()
      return
    }
    stream.arrived(payload.length)
    stream.receivedBytes += body.length
    const ends = (flag & flags.endStream) !== 0
    const problem =
      stream.receiveWindow < 0
        ? codes.flowControl
        : misstates(stream.head, stream.receivedBytes, ends)
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
      // Each takes more room than it brings.
      if (body.length < tinyBytes) this.#around.onIdle()
    } else if (!stream.closed) stream.complete()
  }

  headers(type: number, flag: number, id: number, payload: Buffer): void {
    const block = this.heads.frame(type, flag, id, payload)
    if (block === undefined) return
    const stream = this.#open.get(id)
    if (stream === undefined && id > this.last) {
      this.#begin(id, block)
      return
    }
    const isGood = this.heads.trailers(block.bytes) && !block.isMalformed
    // In flight when we broke the stream off.
    if (stream === undefined && this.#broken.has(id)) {
      this.#around.onIdle()
      return
    }
    if (stream === undefined || stream.ended) {
      throw new ConnectionError(codes.streamClosed, "HEADERS on a closed stream")
    }
    if (!isGood || !block.ends || misstates(stream.head, stream.receivedBytes, true)) stream.reset(codes.protocol)
    else stream.complete()
  }

  reset(id: number, payload: Buffer): void {
    if (id === 0 || this.#isIdle(id)) throw new ConnectionError(codes.protocol, "RST_STREAM on no stream")
    if (payload.length !== 4) throw new ConnectionError(codes.frameSize, "RST_STREAM has four bytes")
    const stream = this.#open.get(id)
    if (stream === undefined) this.#around.onIdle()
    else stream.close(payload.readUInt32BE(0), false)
  }

  windowUpdate(id: number, payload: Buffer): void {
    if (payload.length !== 4) throw new ConnectionError(codes.frameSize, "WINDOW_UPDATE has four bytes")
    if (this.#isIdle(id)) throw new ConnectionError(codes.protocol, "WINDOW_UPDATE on no stream")
    const bytes = payload.readUInt32BE(0) & 0x7fffffff
    this.#around.onIdle()
    // Each may cost a frame for a few bytes, and these are answers (CVE-2019-9511).
    if (bytes < tinyBytes) this.#around.onDribble()
    const stream = this.#open.get(id)
    if (stream !== undefined) {
      if (bytes === 0) stream.reset(codes.protocol)
      else if (!stream.grow(bytes)) stream.reset(codes.flowControl)
      return
    }
    if (id !== 0) return
    if (bytes === 0) throw new ConnectionError(codes.protocol, "WINDOW_UPDATE of nothing")
    this.line.grow(bytes)
  }

  /** Breaks a stream off that may not have begun. */
  refuse(id: number, code: number): void {
    const stream = this.#open.get(id)
    if (stream !== undefined) {
      stream.reset(code)
      return
    }
    this.output.reset(id, code)
    this.#broken.add(id)
  }

  #begin(id: number, { bytes, ends, isMalformed }: Block): void {
    if (id % 2 === 0) throw new ConnectionError(codes.protocol, "a stream of a client has an odd number")
    const head = this.heads.request(bytes)
    // What comes after a farewell is not served, and its client knows.
    if (this.isClosed) {
      this.#around.onIdle()
      return
    }
    this.last = id
    const { limits, admission, onFailed, onStream, windowBytes: sendWindow } = this.#around
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
      // Nothing was done for it, so that its client may ask again (RFC 9113, 8.7).
      this.refuse(id, codes.refused)
      return
    }
    this.#slots += 1
    this.#open.set(id, stream)
    if (!ends) this.#begun.push(stream)
    if (this.parked.mustWait) {
      this.parked.park(stream, ends)
      return
    }
    this.serve(stream, () => onStream(stream))
    if (ends && !stream.closed) this.serve(stream, () => stream.receiver.onEnd())
  }

  /** Sent by nobody yet: those of a server, which are even, never are. Stream 0 is the connection. */
  #isIdle(id: number): boolean {
    return (id > this.last && !this.isClosed) || (id !== 0 && id % 2 === 0)
  }
}
