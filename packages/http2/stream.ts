import type { Field } from "./fields.ts"
import { type Code, codes, frameBytesMax, windowBytesMax } from "./frames.ts"
import type { RequestHead } from "./head.ts"
import type { Sheddable } from "./memory-budget.ts"
import { Progress } from "./progress.ts"
import { SendQueue } from "./send-queue.ts"
import { Slot } from "./slot.ts"
import { noReceiver, type Receiver, type StreamHost } from "./stream-host.ts"

/** Memory of a stream beside head and body, and of a piece of the body beside its bytes. */
const streamBytes = 4_096
const pieceBytes = 256

/** Bytes that a stream sends before the next one may. */
const turnBytes = 4 * frameBytesMax

const nothing = new Uint8Array()

/** One stream: a request and its answer. */
export class Stream {
  readonly id: number
  readonly head: RequestHead
  receiver: Receiver = noReceiver
  /** The request is complete. */
  ended: boolean
  /** The answer is complete and written. */
  answered = false
  closed = false
  responded = false
  timer: NodeJS.Timeout | undefined
  receivedBytes = 0
  /** Bytes charged for as long as the slot is held. */
  readonly slotBytes: number
  /** Bytes charged in addition: the request until it is answered, and the queued part of the answer. */
  heldBytes = 0
  receiveWindow: number
  readonly #host: StreamHost
  readonly #windowBytes: number
  /** Received bytes that the receiver has not used up. */
  #untaken = 0
  /** Used bytes for which no WINDOW_UPDATE was sent yet. */
  #taken = 0
  #sendWindow: number
  readonly #queue = new SendQueue()
  #requestBytes = 0
  /** Held bytes that belong to a complete answer. */
  #answerBytes = 0
  /** Bytes that the handler charged. */
  #servedBytes = 0
  readonly #slot: Slot
  #progress: Progress | undefined
  /** Set once the answer is complete: its trailers. Nothing can be added any more. */
  #last: { readonly trailers: ReadonlyArray<Field> } | undefined
  #isWaiting = false
  #owesDrain = false
  #unreadSince: number | undefined

  constructor(
    host: StreamHost,
    id: number,
    head: RequestHead,
    { ended, windowBytes, sendWindow }: { ended: boolean; windowBytes: number; sendWindow: number }
  ) {
    this.#host = host
    this.#slot = new Slot(() => host.freed(this))
    this.id = id
    this.head = head
    this.slotBytes = streamBytes + head.bytes
    this.ended = ended
    this.receiveWindow = windowBytes
    this.#windowBytes = windowBytes
    this.#sendWindow = sendWindow
  }

  /** Sends the head of the answer, or a 1xx answer before it. With `end` the answer has no body. */
  respond(fields: Iterable<Field>, end = false, isInformational = false): void {
    if (this.closed || this.#last !== undefined) return
    if (!isInformational) {
      this.responded = true
      this.#requestBytes = 0
      this.#account()
    }
    if (end) this.#last = { trailers: [] }
    this.#host.output.headers(this.id, fields, end)
    if (end) this.#finished()
  }

  /** Sends a piece of the body, or queues it. False means: wait for `onDrain` before the next. */
  write(bytes: Uint8Array): boolean {
    if (this.closed || this.#last !== undefined) return true
    this.#queue.add(bytes)
    this.#send()
    this.#account()
    this.#owesDrain ||= this.#queue.bytes > 0
    return this.#queue.bytes === 0
  }

  /** Ends the answer after everything that was written. */
  end(trailers: ReadonlyArray<Field> = []): void {
    if (this.closed || this.#last !== undefined) return
    this.#last = { trailers }
    this.#account()
    this.#send()
  }

  /** Keeps the slot until the returned function is called, even when the client leaves earlier. Call once. */
  holdSlot(): () => void {
    return this.#slot.hold()
  }

  /** Promises make its answer: few other requests of the connection start before the next turn of the event loop. */
  settle(): void {
    this.#host.parked.settle()
  }

  /** Runs `act`, which makes the answer, once `settle` allows it. */
  inTurn(act: () => void): void {
    this.#host.parked.inTurn(this, act)
  }

  /** Charges `bytes` that the handler holds, until the stream closes. */
  charge(bytes: number): void {
    if (!this.closed) this.#servedBytes += bytes
    this.#account()
  }

  /** Sends RST_STREAM and closes. */
  reset(code: Code): void {
    if (this.closed) return
    this.#host.output.reset(this.id, code)
    this.close(code, true)
  }

  /** Resets the stream when its request is not complete in time. */
  limitRequestTime(msMax: number): void {
    if (this.ended || this.closed || this.timer !== undefined) return
    this.timer = setTimeout(() => this.reset(codes.cancel), msMax)
    this.#progress ??= new Progress(performance.now())
  }

  /** Bytes arrived, padding included. */
  arrived(bytes: number): void {
    this.receiveWindow -= bytes
    this.#untaken += bytes
    if (this.responded) return
    this.#progress?.moved(bytes)
    this.#requestBytes += pieceBytes + bytes
    this.#account()
  }

  /** The request is complete. */
  complete(): void {
    this.ended = true
    clearTimeout(this.timer)
    if (this.answered) this.close(codes.noError, false)
    else this.#host.serve(this, () => this.receiver.onEnd())
  }

  /** Call when received bytes are used up, so that the client may send as many again. */
  taken(bytes: number): void {
    // `close` has given all of them back.
    if (this.closed) return
    this.#untaken -= bytes
    this.#host.took(bytes)
    if (this.ended) return
    this.#taken += bytes
    if (this.#taken * 2 < this.#windowBytes) return
    this.#host.output.windowUpdate(this.id, this.#taken)
    this.receiveWindow += this.#taken
    this.#taken = 0
  }

  /** Changes the send window. False when it exceeds the maximum. */
  grow(bytes: number): boolean {
    this.#sendWindow += bytes
    if (this.#sendWindow > windowBytesMax) return false
    if (bytes > 0 && this.#queue.bytes > 0) this.#send()
    return true
  }

  /** Sends as much as one turn and the windows allow. The rest waits for the next turn or a WINDOW_UPDATE. */
  pump(): void {
    this.#isWaiting = false
    if (this.closed) return
    this.#turn()
    this.#account()
  }

  #turn(): void {
    const host = this.#host
    let left = turnBytes
    while (this.#queue.bytes > 0) {
      const room = Math.min(this.#sendWindow, host.scheduler.window, left, frameBytesMax)
      if (room <= 0 || host.output.isFull) {
        if (host.scheduler.hasPeerEnded && Math.min(this.#sendWindow, host.scheduler.window) <= 0) {
          this.close(codes.cancel, false)
        } else if (this.#sendWindow > 0) {
          // Only for the connection's sake: its own window has WINDOW_UPDATE frames of its own.
          this.#isWaiting = true
          host.scheduler.join(this)
        }
        return
      }
      const piece = this.#queue.take(room)
      this.#unreadSince = undefined
      this.#progress?.moved(piece.length)
      left -= piece.length
      this.#sendWindow -= piece.length
      host.scheduler.window -= piece.length
      const endsHere = this.#queue.bytes === 0 && this.#last?.trailers.length === 0
      host.output.data(this.id, piece, endsHere)
      if (endsHere) {
        this.#finished()
        return
      }
    }
    if (this.#last !== undefined) {
      const { trailers } = this.#last
      if (trailers.length === 0) host.output.data(this.id, nothing, true)
      else host.output.headers(this.id, trailers, true)
      this.#finished()
    } else if (this.#owesDrain) {
      this.#owesDrain = false
      host.serve(this, () => this.receiver.onDrain())
    }
  }

  /**
   * Milliseconds for which the client has read nothing of a complete answer. An unfinished answer does not count, since
   * its handler may be the one that waits.
   */
  unreadMs(now: number): number {
    if (this.#last === undefined || this.#queue.bytes === 0) return 0
    this.#unreadSince ??= now
    return now - this.#unreadSince
  }

  /** Whether it holds memory until its client sends or reads something. */
  get waitsForClient(): boolean {
    return !this.ended || this.#queue.bytes > 0
  }

  /** Whether the answer has started and has no known end. */
  get isOpenEnded(): boolean {
    return this.responded && this.#last === undefined
  }

  /** Samples the progress of its client. */
  sample(now: number): void {
    if (this.heldBytes > 0) this.#progress ??= new Progress(now)
    this.#progress?.sample(now)
  }

  sheddable(now: number, addressBytes: number): Sheddable {
    const bytes = this.slotBytes + this.heldBytes
    const progress = this.#progress ?? new Progress(now)
    const weight = this.ended ? progress.weighTaking(bytes, now) : progress.weighSending(bytes, now)
    return { bytes, addressBytes, ...weight, shed: () => this.reset(codes.enhanceYourCalm) }
  }

  /** Closes the stream, for whatever reason. */
  close(code: Code, isReset: boolean): void {
    if (this.closed) return
    this.closed = true
    this.#queue.clear()
    this.#requestBytes = this.#servedBytes = 0
    this.#account()
    clearTimeout(this.timer)
    // Bytes that are not read any more go back to the connection's window, which all streams share.
    this.#host.took(this.#untaken)
    this.#host.closed(this, isReset)
    this.#host.serve(this, () => this.receiver.onClose(code))
    this.#slot.release()
  }

  #send(): void {
    if (this.#isWaiting) return
    this.pump()
    if (this.#isWaiting) this.#host.scheduler.pump()
  }

  #account(): void {
    const held = this.#queue.bytes + this.#requestBytes + this.#servedBytes
    const answer = this.#last === undefined ? 0 : this.#queue.bytes
    if (held === this.heldBytes && answer === this.#answerBytes) return
    const answerChange = answer - this.#answerBytes
    const change = held - this.heldBytes
    this.#answerBytes = answer
    this.heldBytes = held
    this.#host.charge(change, answerChange)
  }

  #finished(): void {
    this.answered = true
    if (this.ended) this.close(codes.noError, false)
    else this.#host.answered(this)
  }
}
