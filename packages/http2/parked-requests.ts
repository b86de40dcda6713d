import type { ConnectionAdmission } from "./admission.ts"
import type { Receiver } from "./carrier.ts"
import { codes } from "./frames.ts"
import type { Output } from "./output.ts"
import type { Stream } from "./stream.ts"

/** Requests of a connection that may be begun in one turn of the event loop, where their answers are made by promises. */
const settlingMax = 4

/** What waits for its turn. */
interface Waiting {
  readonly since: number
  readonly goOn: (stream: Stream) => void
}

/** A request that waits until it may begin: what comes of it meanwhile. */
class ParkedRequest implements Receiver, Waiting {
  readonly since = performance.now()
  readonly #begin: Around["begin"]
  /** Copies: a piece keeps all that came with it. */
  readonly #pieces: Array<Buffer> = []
  #isComplete: boolean

  constructor(isComplete: boolean, begin: Around["begin"]) {
    this.#isComplete = isComplete
    this.#begin = begin
  }

  goOn(stream: Stream): void {
    this.#begin(stream, () => this.#handOn(stream.receiver))
  }

  onData(bytes: Buffer): void {
    this.#pieces.push(Buffer.from(bytes))
  }

  onEnd(): void {
    this.#isComplete = true
  }

  onDrain(): void {}

  onClose(): void {}

  /** Hands on what has come. */
  #handOn(receiver: Receiver): void {
    for (const [i, piece] of this.#pieces.entries()) {
      receiver.onData(piece, this.#isComplete && i === this.#pieces.length - 1)
    }
    if (this.#isComplete) receiver.onEnd()
  }
}

interface Around {
  readonly admission: ConnectionAdmission
  readonly output: Output
  /** Bytes of answers that a client may leave unread, and have one more request begun. */
  readonly unreadBytesMax: number
  /** Serves a request whose receiver then takes what has come of it. */
  readonly begin: (stream: Stream, replay: () => void) => void
  /** Calls the handler of a stream. */
  readonly serve: (stream: Stream, act: () => void) => void
}

/** The requests of a connection that wait, in their order, since their client leaves too much unread or others come first. */
export class ParkedRequests {
  readonly #around: Around
  readonly #requests = new Map<Stream, Waiting>()
  #isScheduled = false
  /** What began in this turn of the event loop, and may not have said yet how large its answer is. */
  #settling = 0
  #answerBytes = 0
  /** When the client last took something of an answer, while requests waited. */
  #movedAt = 0

  constructor(around: Around) {
    this.#around = around
  }

  /** Whether a request that comes now has to wait. */
  get mustWait(): boolean {
    return this.#requests.size > 0 || !this.#maySettle || !this.#hasRoom
  }

  /**
   * Does something that an answer may come of by promises, when few others have begun in this turn of the event loop: of
   * those that are begun side by side, all answers are made before the first of them is counted.
   */
  inTurn(stream: Stream, act: () => void): void {
    if (this.mustWait) {
      this.#requests.set(stream, { since: performance.now(), goOn: () => this.#act(stream, act) })
    } else this.#act(stream, act)
  }

  /** Counts one of the few that may begin in this turn of the event loop. */
  settle(): void {
    this.#settling += 1
    if (this.#settling > 1) return
    setImmediate(() => {
      this.#settling = 0
      this.beginLater()
    })
  }

  get #maySettle(): boolean {
    return this.#settling < settlingMax
  }

  /** Bytes of complete answers that are not sent are more, or fewer. */
  answersChanged(bytes: number): void {
    this.#answerBytes += bytes
    if (bytes > 0 || this.#requests.size === 0) return
    this.#movedAt = performance.now()
    this.beginLater()
  }

  park(stream: Stream, isComplete: boolean): void {
    const parked = new ParkedRequest(isComplete, this.#around.begin)
    stream.receiver = parked
    this.#requests.set(stream, parked)
  }

  delete(stream: Stream): void {
    this.#requests.delete(stream)
  }

  /** Refuses those that have waited for longer while their client took nothing; nothing was done for them. */
  refuseLate(now: number, waitMsMax: number): void {
    for (const [stream, { since }] of this.#requests) {
      if (now - Math.max(since, this.#movedAt) > waitMsMax) stream.reset(codes.refused)
    }
  }

  /** Begins as many as there is room for, when it is their connection's turn. */
  beginLater(): void {
    if (this.#requests.size === 0 || this.#isScheduled || !this.#maySettle || !this.#hasRoom) return
    this.#isScheduled = true
    this.#around.admission.later(() => {
      this.#isScheduled = false
      this.#begin()
    })
  }

  #act(stream: Stream, act: () => void): void {
    this.settle()
    this.#around.serve(stream, act)
  }

  get #hasRoom(): boolean {
    return this.#answerBytes + this.#around.output.unsentBytes <= this.#around.unreadBytesMax
  }

  #begin(): void {
    const { admission } = this.#around
    for (const [stream, waiting] of this.#requests) {
      if (!this.#hasRoom || !this.#maySettle) return
      if (!admission.hasTime()) {
        this.beginLater()
        return
      }
      this.#requests.delete(stream)
      waiting.goOn(stream)
    }
  }
}
