import type { Socket } from "node:net"
import type { ConnectionAdmission } from "@stategate/http2"
import type { Request } from "./http1-messages.ts"

/** What is given to the parser at a time: no more than one head, and more once the body behind it is on its way. */
const headSliceBytes = 2_048
const bodySliceBytes = 16_384

const blankLine = "\r\n\r\n"

/** What the runtime's server does with a socket. */
export interface Parser {
  readonly parse: (chunk: Buffer) => void
  /** Nothing more comes. */
  readonly end: () => void
}

interface InputOwner {
  /** Whether more input may be looked at now. */
  readonly mayFeed: () => boolean
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
  readonly #owner: InputOwner
  #parser: Parser | undefined
  #waiting: Buffer | undefined
  /** What the parser looks at. */
  #slice: Buffer | undefined
  /** The request whose body arrives, and how much of that is to come where its head says so. */
  #arriving: Request | undefined
  #bodyBytesLeft = 0
  /** What the parser has of a head that is not complete. Its limit on heads bounds this. */
  #partialHead = ""
  #fedBytes = 0
  #isFeeding = false
  #isPaused = false
  #isScheduled = false
  #hasEnded = false

  constructor(socket: Socket, admission: ConnectionAdmission, owner: InputOwner) {
    this.#socket = socket
    this.#admission = admission
    this.#owner = owner
  }

  /** Bytes that have not reached the parser. */
  get bytes(): number {
    return this.#waiting?.length ?? 0
  }

  /** Whether nothing of a request is on its way. */
  get isAtRest(): boolean {
    // Line breaks before a head mean nothing (RFC 9112, 2.2).
    return this.bytes === 0 && !this.#isInBody && this.#partialHead.trimStart() === ""
  }

  /** The head that the parser reads now, as it came: up to where it stopped, or some bytes more. */
  get headText(): string {
    return this.#partialHead + (this.#slice?.toString("latin1") ?? "")
  }

  start(parser: Parser): void {
    this.#parser = parser
    this.#socket
      .on("data", (chunk: Buffer) => this.#arrived(chunk))
      .on("resume", () => this.feedLater())
      .on("end", () => this.#ended())
  }

  /** The parser gets nothing more. */
  close(): void {
    this.#parser = undefined
    this.#waiting = undefined
  }

  /** The head of a request is complete. */
  parsed(request: Request): void {
    this.#arriving = request
    const { "content-length": length, "transfer-encoding": encoding } = request.headers
    this.#bodyBytesLeft = length === undefined || encoding !== undefined ? Number.POSITIVE_INFINITY : Number(length)
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
    if (this.#parser === undefined) return
    if (this.#waiting !== undefined) {
      this.#waiting = Buffer.concat([this.#waiting, chunk])
      this.#pause()
      this.#owner.onChange()
      return
    }
    this.#waiting = chunk
    this.feed()
  }

  /** The parser gets the end behind all that came before: a server takes the request that it has by then for the last. */
  #ended(): void {
    this.#hasEnded = true
    if (this.#waiting === undefined) this.#parser?.end()
  }

  /** Gives the parser what it may get. */
  feed(): void {
    if (this.#isFeeding || this.#isScheduled || this.#waiting === undefined) return
    if (this.#owner.mayFeed()) {
      if (this.#admission.enter()) this.#feedSlices()
      else this.#schedule(this.#admission.later)
    }
    if (this.#waiting !== undefined) this.#pause()
    else if (this.#hasEnded) this.#parser?.end()
    else if (this.#isPaused) {
      this.#isPaused = false
      this.#socket.resume()
    }
    this.#owner.onChange()
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
      while (this.#waiting !== undefined && this.#owner.mayFeed()) this.#feedSlice(this.#waiting)
    } finally {
      this.#isFeeding = false
      this.#slice = undefined
    }
  }

  #feedSlice(all: Buffer): void {
    const isBody = this.#isInBody
    const headEnd = isBody ? undefined : this.#headEndIn(all)
    const size = isBody ? Math.min(bodySliceBytes, this.#bodyBytesLeft) : (headEnd ?? headSliceBytes)
    const isLast = all.length <= size
    this.#waiting = isLast ? undefined : all.subarray(size)
    const slice = isLast ? all : all.subarray(0, size)
    this.#slice = slice
    this.requestBytes += slice.length
    this.#fedBytes += slice.length
    this.#parser!.parse(slice)
    if (isBody) {
      this.#bodyBytesLeft -= slice.length
      // Only the parser knows where a chunked body ends: with a blank line, behind which the next head may have begun.
      if (this.#bodyBytesLeft > 0 && !this.#isInBody) this.#partialHead = behindBlankLine(slice.toString("latin1"))
    } else if (headEnd === undefined) this.#partialHead += slice.toString("latin1")
    else this.#partialHead = ""
  }

  get #isInBody(): boolean {
    return this.#arriving?.complete === false && this.#bodyBytesLeft > 0
  }

  /** Where the blank line ends that ends the head, if it is within the next slice. */
  #headEndIn(all: Buffer): number | undefined {
    // It may have begun in the slice before.
    const before = this.#partialHead.slice(1 - blankLine.length)
    const at = (before + all.toString("latin1", 0, Math.min(all.length, headSliceBytes))).indexOf(blankLine)
    return at < 0 ? undefined : at + blankLine.length - before.length
  }

  #pause(): void {
    this.#isPaused = true
    this.#socket.pause()
  }
}

const behindBlankLine = (text: string): string => {
  const at = text.lastIndexOf(blankLine)
  return at < 0 ? text : text.slice(at + blankLine.length)
}
