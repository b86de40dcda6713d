import type { ConnectionAdmission } from "./admission.ts"
import { codes } from "./frames.ts"
import type { Output } from "./output.ts"
import type { Stream } from "./stream.ts"
import type { Receiver } from "./stream-host.ts"

/** Requests per connection and turn of the event loop that may start, where promises make their answers. */
const startedPerTurnMax = 4

/** A request that waits. */
interface Waiting {
  readonly since: number
  readonly goOn: (stream: Stream) => void
}

/** Collects what arrives of a request that has to wait. */
class ParkedRequest implements Receiver, Waiting {
  readonly since = performance.now()
  readonly #begin: ParkingOptions["begin"]
  /** Copies, since a piece is a view of a larger input buffer. */
  readonly #pieces: Array<Buffer> = []
  #isComplete: boolean

  constructor(isComplete: boolean, begin: ParkingOptions["begin"]) {
    this.#isComplete = isComplete
    this.#begin = begin
  }

  goOn(stream: Stream): void {
    this.#begin(stream, () => this.#replay(stream.receiver))
  }

  onData(bytes: Buffer): void {
    this.#pieces.push(Buffer.from(bytes))
  }

  onEnd(): void {
    this.#isComplete = true
  }

  onDrain(): void {}

  onClose(): void {}

  /** Replays what has arrived. */
  #replay(receiver: Receiver): void {
    for (const [i, piece] of this.#pieces.entries()) {
      receiver.onData(piece, this.#isComplete && i === this.#pieces.length - 1)
    }
    if (this.#isComplete) receiver.onEnd()
  }
}

interface ParkingOptions {
  readonly admission: ConnectionAdmission
  readonly output: Output
  /** Unread bytes of answers up to which one more request may start. */
  readonly unreadBytesMax: number
  /** Starts a request; `replay` then gives its receiver what has arrived. */
  readonly begin: (stream: Stream, replay: () => void) => void
  /** Calls the handler of a stream. */
  readonly serve: (stream: Stream, act: () => void) => void
}

/** The requests of a connection that wait, in order: their client leaves too much unread, or enough others have just started. */
export class ParkedRequests {
  readonly #options: ParkingOptions
  readonly #requests = new Map<Stream, Waiting>()
  #isScheduled = false
  /** Requests that started in this turn of the event loop: the size of their answers may not be known yet. */
  #startedInTurn = 0
  #answerBytes = 0
  /** When the client last read some of an answer while requests waited. */
  #movedAt = 0

  constructor(options: ParkingOptions) {
    this.#options = options
  }

  /** Whether a request that arrives now has to wait. */
  get mustWait(): boolean {
    return this.#requests.size > 0 || !this.#mayStart || !this.#hasRoom
  }

  /**
   * Runs `act`, which starts the making of an answer by promises, once few enough others have started in this turn of the
   * event loop: the answers of requests that start together are all in memory before the first is charged.
   */
  inTurn(stream: Stream, act: () => void): void {
    if (this.mustWait) {
      this.#requests.set(stream, { since: performance.now(), goOn: () => this.#act(stream, act) })
    } else this.#act(stream, act)
  }

  /** Counts one of the requests that may start in this turn of the event loop. */
  settle(): void {
    this.#startedInTurn += 1
    if (this.#startedInTurn > 1) return
    setImmediate(() => {
      this.#startedInTurn = 0
      this.beginLater()
    })
  }

  get #mayStart(): boolean {
    return this.#startedInTurn < startedPerTurnMax
  }

  /** The unsent bytes of complete answers grew or shrank by `bytes`. */
  answersChanged(bytes: number): void {
    this.#answerBytes += bytes
    if (bytes > 0 || this.#requests.size === 0) return
    this.#movedAt = performance.now()
    this.beginLater()
  }

  park(stream: Stream, isComplete: boolean): void {
    const parked = new ParkedRequest(isComplete, this.#options.begin)
    stream.receiver = parked
    this.#requests.set(stream, parked)
  }

  delete(stream: Stream): void {
    this.#requests.delete(stream)
  }

  /** Refuses requests that waited for longer while their client read nothing. No work was done for them. */
  refuseLate(now: number, waitMsMax: number): void {
    for (const [stream, { since }] of this.#requests) {
      if (now - Math.max(since, this.#movedAt) > waitMsMax) stream.reset(codes.refused)
    }
  }

  /** Starts as many as there is room for, once the connection has processor time. */
  beginLater(): void {
    if (this.#requests.size === 0 || this.#isScheduled || !this.#mayStart || !this.#hasRoom) return
    this.#isScheduled = true
    this.#options.admission.later(() => {
      this.#isScheduled = false
      this.#begin()
    })
  }

  #act(stream: Stream, act: () => void): void {
    this.settle()
    this.#options.serve(stream, act)
  }

  get #hasRoom(): boolean {
    return this.#answerBytes + this.#options.output.unsentBytes <= this.#options.unreadBytesMax
  }

  #begin(): void {
    const { admission } = this.#options
    for (const [stream, waiting] of this.#requests) {
      if (!this.#hasRoom || !this.#mayStart) return
      if (!admission.hasTime()) {
        this.beginLater()
        return
      }
      this.#requests.delete(stream)
      waiting.goOn(stream)
    }
  }
}
