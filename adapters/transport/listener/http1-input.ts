import type { Socket } from "node:net"
import type { ConnectionAdmission } from "@stategate/http2"

/** What is given to the parser at a time: few requests, and more once the body of one is on its way. */
const headSliceBytes = 2_048
const bodySliceBytes = 16_384

interface Around {
  /** Whether more input may be looked at now. */
  readonly mayFeed: () => boolean
  /** Whether a request has begun whose body is not complete. */
  readonly hasBegun: () => boolean
  /** What is held has changed. */
  readonly onChange: () => void
}

/**
 * What a connection has sent, on its way to the parser. A parser reads all that it gets, and there may be a thousand
 * requests in what comes at once: it gets a little at a time, and the socket is not read while there is more.
 */
export class Http1Input {
  /** Bytes that have reached the parser since the last rest, for a request that is not answered. */
  requestBytes = 0
  readonly #socket: Socket
  readonly #admission: ConnectionAdmission
  readonly #around: Around
  #parse: ((chunk: Buffer) => void) | undefined
  #waiting: Buffer | undefined
  #fedBytes = 0
  #isFeeding = false
  #isPaused = false
  #isScheduled = false

  constructor(socket: Socket, admission: ConnectionAdmission, around: Around) {
    this.#socket = socket
    this.#admission = admission
    this.#around = around
  }

  /** Bytes that have not reached the parser. */
  get bytes(): number {
    return this.#waiting?.length ?? 0
  }

  start(parse: (chunk: Buffer) => void): void {
    this.#parse = parse
    this.#socket.on("data", (chunk: Buffer) => this.#arrived(chunk)).on("resume", () => this.feedLater())
  }

  /** The parser gets nothing more. */
  close(): void {
    this.#parse = undefined
    this.#waiting = undefined
  }

  /** The request is over. */
  rest(): void {
    this.requestBytes = 0
  }

  /** Bytes that have reached the parser since this was last asked. */
  takeFed(): number {
    const bytes = this.#fedBytes
    this.#fedBytes = 0
    return bytes
  }

  #arrived(chunk: Buffer): void {
    if (this.#parse === undefined) return
    if (this.#waiting !== undefined) {
      this.#waiting = Buffer.concat([this.#waiting, chunk])
      this.#pause()
      this.#around.onChange()
      return
    }
    this.#waiting = chunk
    this.feed()
  }

  /** Gives the parser what it may get. */
  feed(): void {
    if (this.#isFeeding || this.#isScheduled || this.#waiting === undefined) return
    if (this.#around.mayFeed()) {
      if (this.#admission.enter()) this.#feedSlices()
      else this.#schedule(this.#admission.later)
    }
    if (this.#waiting !== undefined) this.#pause()
    else if (this.#isPaused) {
      this.#isPaused = false
      this.#socket.resume()
    }
    this.#around.onChange()
  }

  feedLater(): void {
    if (this.#waiting !== undefined && !this.#isScheduled && !this.#isFeeding) this.#schedule(process.nextTick)
  }

  #schedule(later: (run: () => void) => void): void {
    this.#isScheduled = true
    later(() => {
      this.#isScheduled = false
      this.feed()
    })
  }

  #feedSlices(): void {
    this.#isFeeding = true
    try {
      while (this.#waiting !== undefined && this.#around.mayFeed()) {
        const all: Buffer = this.#waiting
        const size = this.#around.hasBegun() ? bodySliceBytes : headSliceBytes
        const isLast = all.length <= size
        this.#waiting = isLast ? undefined : all.subarray(size)
        const slice = isLast ? all : all.subarray(0, size)
        this.requestBytes += slice.length
        this.#fedBytes += slice.length
        this.#parse!.call(this.#socket, slice)
      }
    } finally {
      this.#isFeeding = false
    }
  }

  #pause(): void {
    this.#isPaused = true
    this.#socket.pause()
  }
}
