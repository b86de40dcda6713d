import { type Carrier, nobody, type Receiver } from "./carrier.ts"
import type { Field } from "./fields.ts"
import { type Code, codes, frameBytesMax, windowBytesMax } from "./frames.ts"
import type { RequestHead } from "./head.ts"
import type { Sheddable } from "./memory-budget.ts"
import { Progress } from "./progress.ts"
import { SendQueue } from "./send-queue.ts"
import { Slot } from "./slot.ts"

/** What a stream takes beside its head and body, and what a piece of that body takes beside its bytes. */
const streamBytes = 4_096
const pieceBytes = 256

/** Bytes that a stream sends before it is another's turn. */
const turnBytes = 4 * frameBytesMax

const nothing = new Uint8Array()

/** One call of a connection: a request that comes in, and the answer to it. */
export class Stream {
  readonly id: number
  readonly head: RequestHead
  receiver: Receiver = nobody
  /** The request is complete. */
  ended: boolean
  /** The answer is, on the wire. */
  answered = false
  closed = false
  responded = false
  timer: NodeJS.Timeout | undefined
  receivedBytes = 0
  /** Bytes that are held for it whatever becomes of it, as long as it has its slot. */
  readonly slotBytes: number
  /** Bytes that are held for its client beside those: the request until it is answered, and what is queued of the answer. */
  heldBytes = 0
  receiveWindow: number
  readonly #carrier: Carrier
  readonly #windowBytes: number
  /** Bytes that came in, and are neither used up nor given back. */
  #untaken = 0
  /** Bytes that were used up, and may not come again yet. */
  #taken = 0
  #sendWindow: number
  readonly #queue = new SendQueue()
  #requestBytes = 0
  /** Of those held, bytes of a complete answer. */
  #answerBytes = 0
  /** What whoever serves it holds for it. */
  #servedBytes = 0
  readonly #slot: Slot
  #progress: Progress | undefined
  /** What comes last, once that is known: nothing can be added behind it. */
  #last: { readonly trailers: ReadonlyArray<Field> } | undefined
  #isWaiting = false
  #owesDrain = false
  #unreadSince: number | undefined

  constructor(
    carrier: Carrier,
    id: number,
    head: RequestHead,
    { ended, windowBytes, sendWindow }: { ended: boolean; windowBytes: number; sendWindow: number }
  ) {
    this.#carrier = carrier
    this.#slot = new Slot(() => carrier.freed(this))
    this.id = id
    this.head = head
    this.slotBytes = streamBytes + head.bytes
    this.ended = ended
    this.receiveWindow = windowBytes
    this.#windowBytes = windowBytes
    this.#sendWindow = sendWindow
  }

  /** Sends the head of the answer; 1xx may come before it. With `end` there is nothing else. */
  respond(fields: Iterable<Field>, end = false, isInformational = false): void {
    if (this.closed || this.#last !== undefined) return
    if (!isInformational) {
      this.responded = true
      this.#requestBytes = 0
      this.#account()
    }
    if (end) this.#last = { trailers: [] }
    this.#carrier.output.headers(this.id, fields, end)
    if (end) this.#finished()
  }

  /** Sends a piece of the body, or queues it. False when it would be better to wait for `onDrain`. */
  write(bytes: Uint8Array): boolean {
    if (this.closed || this.#last !== undefined) return true
    this.#queue.add(bytes)
    this.#send()
    this.#account()
    this.#owesDrain ||= this.#queue.bytes > 0
    return this.#queue.bytes === 0
  }

  /** Ends the answer behind what was written. */
  end(trailers: ReadonlyArray<Field> = []): void {
    if (this.closed || this.#last !== undefined) return
    this.#last = { trailers }
    this.#account()
    this.#send()
  }

  /** Keeps its slot until the work that goes on for it is over, also when the client has gone by then. Call once. */
  holdSlot(): () => void {
    return this.#slot.hold()
  }

  /** Its answer is made by promises: few others of the connection begin before the next turn of the event loop. */
  settle(): void {
    this.#carrier.parked.settle()
  }

  /** Does what makes the answer, as `settle` says, when it is its turn. */
  inTurn(act: () => void): void {
    this.#carrier.parked.inTurn(this, act)
  }

  /** Whoever serves it holds so many bytes more for it, until it closes. */
  charge(bytes: number): void {
    if (!this.closed) this.#servedBytes += bytes
    this.#account()
  }

  /** Breaks off. */
  reset(code: Code): void {
    if (this.closed) return
    this.#carrier.output.reset(this.id, code)
    this.close(code, true)
  }

  /** The request did not come in one piece, and gets no more than its time. */
  waitsForRest(msMax: number): void {
    if (this.ended || this.closed || this.timer !== undefined) return
    this.timer = setTimeout(() => this.reset(codes.cancel), msMax)
    this.#progress ??= new Progress(performance.now())
  }

  /** Bytes came in, padding among them. */
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
    else this.#carrier.serve(this, () => this.receiver.onEnd())
  }

  /** Says that bytes which came in are used up, so that as many may come again. */
  taken(bytes: number): void {
    // What was left when the stream closed was given back by then.
    if (this.closed) return
    this.#untaken -= bytes
    this.#carrier.took(bytes)
    if (this.ended) return
    this.#taken += bytes
    if (this.#taken * 2 < this.#windowBytes) return
    this.#carrier.output.windowUpdate(this.id, this.#taken)
    this.receiveWindow += this.#taken
    this.#taken = 0
  }

  /** The peer takes more, or less; false when that is more than may be. */
  grow(bytes: number): boolean {
    this.#sendWindow += bytes
    if (this.#sendWindow > windowBytesMax) return false
    if (bytes > 0 && this.#queue.bytes > 0) this.#send()
    return true
  }

  /** Takes a turn: sends what may be sent. The rest waits for the next, for a window, or for a peer that reads slowly. */
  pump(): void {
    this.#isWaiting = false
    if (this.closed) return
    this.#turn()
    this.#account()
  }

  #turn(): void {
    const carrier = this.#carrier
    let left = turnBytes
    while (this.#queue.bytes > 0) {
      const room = Math.min(this.#sendWindow, carrier.line.window, left, frameBytesMax)
      if (room <= 0 || carrier.output.isFull) {
        if (carrier.line.isSilent && Math.min(this.#sendWindow, carrier.line.window) <= 0) {
          this.close(codes.cancel, false)
        } else if (this.#sendWindow > 0) {
          // Its own window comes with a word of its own; the others are the whole connection's.
          this.#isWaiting = true
          carrier.line.join(this)
        }
        return
      }
      const piece = this.#queue.take(room)
      this.#unreadSince = undefined
      this.#progress?.moved(piece.length)
      left -= piece.length
      this.#sendWindow -= piece.length
      carrier.line.window -= piece.length
      const endsHere = this.#queue.bytes === 0 && this.#last?.trailers.length === 0
      carrier.output.data(this.id, piece, endsHere)
      if (endsHere) {
        this.#finished()
        return
      }
    }
    if (this.#last !== undefined) {
      const { trailers } = this.#last
      if (trailers.length === 0) carrier.output.data(this.id, nothing, true)
      else carrier.output.headers(this.id, trailers, true)
      this.#finished()
    } else if (this.#owesDrain) {
      this.#owesDrain = false
      carrier.serve(this, () => this.receiver.onDrain())
    }
  }

  /**
   * For how long a complete answer has waited for a client that takes nothing of it. A stream that goes on may wait: it is
   * not its client that decides when.
   */
  unreadMs(now: number): number {
    if (this.#last === undefined || this.#queue.bytes === 0) return 0
    this.#unreadSince ??= now
    return now - this.#unreadSince
  }

  /** Whether memory is held until its client sends, or takes, something. */
  get waitsForClient(): boolean {
    return !this.ended || this.#queue.bytes > 0
  }

  /** Whether it is being answered, and nobody knows for how long. */
  get isOpenEnded(): boolean {
    return this.responded && this.#last === undefined
  }

  /** Looks at how fast what is held for it goes away. */
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

  /** Over, for whatever reason. */
  close(code: Code, isReset: boolean): void {
    if (this.closed) return
    this.closed = true
    this.#queue.clear()
    this.#requestBytes = this.#servedBytes = 0
    this.#account()
    clearTimeout(this.timer)
    // Nobody reads it any more, and the other streams of the connection share its window.
    this.#carrier.took(this.#untaken)
    this.#carrier.closed(this, isReset)
    this.#carrier.serve(this, () => this.receiver.onClose(code))
    this.#slot.release()
  }

  #send(): void {
    if (this.#isWaiting) return
    this.pump()
    if (this.#isWaiting) this.#carrier.line.pump()
  }

  #account(): void {
    const held = this.#queue.bytes + this.#requestBytes + this.#servedBytes
    const answer = this.#last === undefined ? 0 : this.#queue.bytes
    if (held === this.heldBytes && answer === this.#answerBytes) return
    const answerChange = answer - this.#answerBytes
    const change = held - this.heldBytes
    this.#answerBytes = answer
    this.heldBytes = held
    this.#carrier.charge(change, answerChange)
  }

  #finished(): void {
    this.answered = true
    if (this.ended) this.close(codes.noError, false)
    else this.#carrier.answered(this)
  }
}
